"""The permit office's doors answer as the contract says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from hvelv.kernel.ids import ProjectId
from hvelv.kernel.web import answer_refusals
from hvelv.requests.domain.allowance import epsilon_of, rho_micro_of
from hvelv.requests.pages.office_api import enclave_router, portal_router
from tests.builders_catalog import Caller
from tests.builders_requests import LEAD, MEMBER, STRANGER, House, a_house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = a_house(tmp_path)
    yield made
    made.close()


def app(house: House, *routers: object) -> FastAPI:
    made = FastAPI()
    made.state.office, made.state.clock = house.office, house.clock
    for router in routers:
        made.include_router(router)
    answer_refusals(made)
    return made


@pytest.fixture
def project(house: House) -> ProjectId:
    return house.applications.view(LEAD, house.approved()).project.id


def test_the_enclaves_door_says_who_may_enter(house: House, project: ProjectId) -> None:
    ask = Caller(app(house, enclave_router), "hub")
    assert ask("GET", f"/grants/{MEMBER.id}/{project}").json() == {
        "project": project,
        "title": "Fettlever og alder",
        "person": MEMBER.id,
        "permit_version": 1,
        "expires": "2028-01-01T00:00:00+00:00",
    }
    refused = [ask("GET", f"/grants/{who}/{what}") for who, what in ((STRANGER.id, project), (MEMBER.id, "p-none"))]
    assert [r.status_code for r in refused] == [403, 403]
    assert refused[0].json() == refused[1].json()
    assert ask("POST", f"/projects/{project}/state", json={"action": "close", "reason": ""}).status_code == 404


def test_the_portals_door_changes_states(house: House, project: ProjectId) -> None:
    ask = Caller(app(house, portal_router), "stine")

    def change(action: str) -> tuple[int, object]:
        answer = ask("POST", f"/projects/{project}/state", json={"action": action, "reason": "hendelse"})
        return answer.status_code, answer.json().get("state")

    assert change("suspend") == (200, "suspended")
    assert change("suspend") == (409, None)
    assert change("resume") == (200, "active")
    assert change("expire") == (422, None)
    assert change("revoke") == (200, "revoked")
    assert house.opened.states == ["closed", "reopened", "destroyed"]
    assert Caller(ask.app)("POST", "/permits", json={"evidence": {}, "grant": {}}).status_code == 403
    assert ask("POST", "/permits", json={"evidence": {}, "grant": {}}).json()["code"] == "malformed-evidence"


def test_who_is_barred_is_let_in_nowhere_until_they_are_so_no_longer(house: House, project: ProjectId) -> None:
    ask = Caller(app(house, portal_router, enclave_router), "operator")
    enter = f"/grants/{MEMBER.id}/{project}"

    def change(way: str) -> object:
        return ask("POST", f"/people/{MEMBER.id}/{way}", json={"reason": "sluttet"}).json()

    none = ask("GET", f"/grants/{MEMBER.id}/p-none").json()
    assert change("bar") == change("bar") == {"person": MEMBER.id, "barred": True}
    assert ask("GET", enter).json() == none
    assert ask("GET", f"/grants/{LEAD.id}/{project}").status_code == 200
    assert change("unbar") == change("unbar") == {"person": MEMBER.id, "barred": False}
    assert ask("GET", enter).status_code == 200
    assert house.events(house.custodian)[-2:] == [("operator", "person.barred"), ("operator", "person.unbarred")]
    assert ask("POST", f"/people/{'x' * 65}/bar", json={"reason": ""}).status_code == 422
    assert Caller(app(house, enclave_router), "hub")("POST", f"/people/{LEAD.id}/bar", json={}).status_code == 404


def test_permits_are_listed_with_their_states(house: House, project: ProjectId) -> None:
    ask = Caller(app(house, portal_router), "operator")
    assert ask("GET", "/permits").json() == [
        {"project": project, "title": "Fettlever og alder", "state": "active", "valid_until": "2027-12-31"}
    ]


@pytest.mark.parametrize("epsilon", [0.01, 0.5, 1, 3, 10])
def test_epsilon_and_rho_lead_back_to_each_other_and_never_to_more(epsilon: float) -> None:
    rho = rho_micro_of(epsilon, 1e-6)
    assert epsilon_of(rho, 1e-6) <= epsilon < epsilon_of(rho + 1, 1e-6)
    assert rho_micro_of(float("nan"), 1e-6) == rho_micro_of(-1, 1e-6) == 0
