"""Every route of the portal, as everyone: only those who may, get in; and nobody learns whether a thing exists."""

import re
import uuid

import pytest

from hvelv.enclave.service.rooms import RoomState
from hvelv.kernel.people import Role
from hvelv.portal.access import ROUTES, Access
from tests.builders_portal import PEOPLE, a_portal


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    portal = a_portal(tmp_path_factory.mktemp("portal"))
    portal.rooms.states["ola", "p-0001"] = RoomState.OPEN
    return portal


def routes_of(routes):
    """Yield (method, path) of every route, also of routers that were included."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from routes_of(route.original_router.routes)
        elif getattr(route, "path", "") != "/static":
            for method in sorted(route.methods - {"HEAD"}):
                yield method, route.path


def filled(path, **values):
    """Return `path` with something in place of each parameter."""
    known = {"dataset_id": "ds-0001", "upload_id": "up-1", "application_id": "app-0002", "project_id": "p-0001", "export_id": "exp-0001", "token": "tok-1", "case_id": "rid-0001", "table": "lab_values", "population": "ds-0001", "topup": "top-0001", "answer": "confirm", "person_id": "ola"}  # fmt: skip
    return re.sub(r"{(\w+)}", lambda m: values.get(m[1], known[m[1]]), path)


def test_a_route_without_an_entry_does_not_exist(portal):
    assert set(routes_of(portal.app.routes)) == set(ROUTES)


@pytest.mark.attack("PZ04")
@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
@pytest.mark.parametrize("person", [p for p in sorted(PEOPLE) if PEOPLE[p].active])
def test_each_role_reaches_exactly_the_routes_of_its_row(portal, person, method, path):
    allowed = ROUTES[method, path].allows(PEOPLE[person])

    answer = portal.browser(person).request(method, filled(path))

    assert answer.status_code < 500
    if not allowed:
        assert answer.status_code == 403


@pytest.mark.attack("PZ04")
@pytest.mark.parametrize(("method", "path"), sorted(key for key, rule in ROUTES.items() if not rule.public))
def test_a_stranger_is_sent_to_sign_in(portal, method, path):
    answer = portal.visitor().request(method, filled(path))

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize(("method", "path"), sorted(key for key, rule in ROUTES.items() if not rule.public))
def test_someone_deactivated_is_out_at_once(portal, method, path):
    assert portal.browser("borte").request(method, filled(path)).headers["location"].startswith("/sign-in")


OWNED = sorted(key for key in ROUTES if "{" in key[1] and "dataset_id" not in key[1] and "upload_id" not in key[1])


@pytest.mark.attack("PZ01")
@pytest.mark.parametrize(("method", "path"), OWNED)
def test_anothers_thing_answers_like_no_thing_at_all(portal, method, path):
    browser = portal.browser("eva")  # a researcher who is in nothing
    if not ROUTES[method, path].allows(PEOPLE["eva"]):
        browser = portal.browser("tor")  # a steward whose datasets are not applied for

    theirs = browser.request(method, filled(path), data={"reason": "x", "choice": "for"})
    missing = {
        name: f"no-{uuid.uuid4().hex[:8]}"
        for name in ("application_id", "project_id", "export_id", "token", "population")
    }
    none = browser.request(method, filled(path, **missing), data={"reason": "x", "choice": "for"})

    assert theirs.status_code == none.status_code
    assert theirs.status_code in {403, 404}
    assert body(theirs) == body(none)


def body(answer):
    """Return what an answer says, without the address it was asked at."""
    return re.sub(r'name="next" value="[^"]*"', "", answer.text)


@pytest.mark.attack("PZ01")
@pytest.mark.parametrize("person", ["rita", "duo"])  # duo is a researcher too, so that the route itself is open
@pytest.mark.parametrize("path", ["/projects/p-0001/session", "/projects/p-0001/session/stop"])
def test_an_auditor_sees_a_project_but_has_no_room_in_it(portal, person, path):
    before = dict(portal.rooms.states)
    browser = portal.browser(person)

    assert browser.get("/projects/p-0001").status_code == 200
    assert browser.post(path).status_code == 403
    assert portal.rooms.states == before


def test_an_entry_without_roles_is_for_everyone_who_is_signed_in_and_no_one_else():
    assert Access().allows(PEOPLE["anna"])
    assert not Access().allows(None)
    assert not Access().allows(PEOPLE["borte"])
    assert not Access(roles=frozenset({Role.ADMIN})).allows(PEOPLE["ola"])
