"""Twelve who open their rooms at once, at a hub that starts three at a time: each is told the place, none is lost."""

import httpx

from hvelv.enclave.service.line import GIVEN_UP, LOOKING, Line
from hvelv.enclave.service.rooms import RoomState
from hvelv.portal.hub import Hub

CROWD = [(f"p{number}", "p-0001") for number in range(12)]


class SmallHub:
    """Starts three at a time; each is ready after somebody has asked for it three times."""

    def __init__(self):
        self.starting, self.ready = {}, []

    def __call__(self, request):
        person = request.url.path.split("/")[4]
        if request.method == "POST":
            if person in self.starting or person in self.ready:
                return httpx.Response(400, json={"message": "already"})
            if len(self.starting) >= 3:
                return httpx.Response(429, json={"message": "too many"})
            self.starting[person] = 3
            return httpx.Response(202)
        if person in self.starting:
            self.starting[person] -= 1
            if not self.starting[person]:
                del self.starting[person]
                self.ready.append(person)
        known = person in self.ready or person in self.starting
        server = {"p-0001": {"ready": person in self.ready, "stopped": False}} if known else {}
        return httpx.Response(200, json={"name": person, "servers": server})


def a_hub(small):
    client = httpx.Client(base_url="http://127.0.0.1:1", transport=httpx.MockTransport(small))
    return Hub("http://hub", "http://portal", "t", client)


def test_twelve_at_once_are_all_opened_in_the_order_they_came():
    small = SmallHub()
    hub = a_hub(small)
    for person, project in CROWD:
        hub.open_room(person, project)
    first = [hub.room(*one) for one in CROWD]
    assert {room.state for room in first} == {RoomState.OPENING}
    assert [room.place for room in first] == [0, 0, 0, *range(1, 10)]

    for _round in range(40):
        for one in CROWD:
            hub.room(*one)
    assert {hub.room(*one).state for one in CROWD} == {RoomState.OPEN}
    assert small.ready == [person for person, _project in CROWD]
    assert hub.line.waiting == {}


def test_who_closes_the_room_waits_no_longer():
    small = SmallHub()
    hub = a_hub(small)
    for one in CROWD:
        hub.open_room(*one)
    hub.close_room(*CROWD[4])
    assert hub.room(*CROWD[4]).state is RoomState.CLOSED
    assert hub.room(*CROWD[5]).place == 2


def test_who_does_not_look_keeps_the_place_and_holds_up_nobody():
    line = Line()
    for key in CROWD[:3]:
        line.join(key, 0)
    assert line.place(CROWD[2], LOOKING + 1) == 1
    assert line.place(CROWD[0], LOOKING + 2) == 1
    assert line.place(CROWD[2], LOOKING + 2) == 2
    assert line.place(CROWD[2], GIVEN_UP + 1) == 1
    assert CROWD[1] not in line.waiting
    assert line.place(CROWD[1], GIVEN_UP + 1) == 0
