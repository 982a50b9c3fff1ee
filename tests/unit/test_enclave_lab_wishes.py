"""Releases that are wished for in a notebook: what is sent, how far they are, and what comes of them."""

import pytest

from hvelv.enclave.lab import Project, Refused, wishes
from hvelv.enclave.lab.pricing import Priced

WISH = {"id": "ask-1", "state": "waiting", "step": 0, "steps": 0, "message": "", "release": None, "rho_micro": 1000}
RELEASE = {"id": "rel-1", "keys": [], "rows": [{"key": [], "values": {"count": 7}, "error95": {"count": 1}}]}


class Door:
    """Answers from lists, and remembers what it was asked."""

    def __init__(self, *stands):
        self.stands, self.asked = list(stands), []

    def get(self, path):
        self.asked.append(("GET", path))
        if path == "/lab/wishes":
            return [WISH]
        return RELEASE if path.startswith("/lab/releases/") else WISH | self.stands.pop(0)

    def post(self, path, json, *, again=False):
        self.asked.append(("POST", path, json, again))
        return WISH | ({"state": "cancelled"} if path.endswith("/cancel") else {})


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(wishes, "PAUSE", 0.0)


class Asked(Priced):
    """A question of which only the form matters."""

    delta = 1e-6

    def __init__(self, door):
        self.door = door

    def body(self):
        return {"query": {"dataset": "labs"}}


def wished(*stands, **given):
    door = Door(*stands)
    return door, Asked(door).wish(rho=0.001, **given)


def test_a_wish_sends_what_a_release_would():
    door, wish = wished(again=True)
    _verb, path, sent, again = door.asked[0]

    assert (path, again) == ("/lab/wishes", True)
    assert sent["rho_micro"] == 1000
    assert sent["again"] is True
    assert len(sent["idempotency_key"]) == 32
    assert wish.state == "waiting"
    assert "venter på tur" in repr(wish)


def test_waiting_shows_how_far_it_is_and_gives_the_release():
    working = {"state": "working", "step": 1, "steps": 4, "message": "Måler"}
    door, wish = wished({"state": "waiting"}, working, {"state": "done", "release": "rel-1"})
    lines = []

    release = wish.wait(told=lines.append)

    assert release.id == "rel-1"
    assert [line.count("█") for line in lines] == [0, 5, 20]
    assert "Måler" in lines[1]
    assert ("GET", "/lab/releases/rel-1") in door.asked


def test_a_wish_that_failed_says_why():
    _door, wish = wished({"state": "failed", "message": "Budsjettet rekker ikke."})

    with pytest.raises(Refused, match="Budsjettet rekker ikke"):
        wish.wait(told=lambda _line: None)


def test_nobody_waits_longer_than_they_said():
    _door, wish = wished({"state": "working"})

    with pytest.raises(Refused, match="ikke klart"):
        wish.wait(0.0, told=lambda _line: None)


def test_a_wish_is_taken_back():
    door, wish = wished()

    assert wish.cancel().state == "cancelled"
    assert door.asked[-1][1] == "/lab/wishes/ask-1/cancel"


def test_the_project_lists_its_wishes():
    assert [wish.id for wish in Project(Door()).wishes] == ["ask-1"]
