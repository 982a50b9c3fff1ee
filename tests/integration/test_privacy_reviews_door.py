"""The custodian's door for reviews, asked as the portal asks: over HTTP, refusals carried across."""

from types import SimpleNamespace

import pytest
from fastapi import FastAPI

from hvelv.kernel.clock import SetClock
from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible
from hvelv.kernel.link import ACTOR, refusal_from
from hvelv.kernel.web import answer_refusals
from hvelv.privacy.adapters.reviews_link import LinkedReviews
from hvelv.privacy.domain.reviewing import Verdict
from hvelv.privacy.pages import reviews_api
from hvelv.privacy.service.reviews import Steward
from tests.builders_portal import TestClient
from tests.builders_reviews import HOLDER, Custodian, lab_rows

STINE = Steward("stine", HOLDER)
WHICH = ("p-1", "lab_values")
YEAR = {"day": [{"kind": "year"}]}


class OverHttp:
    """A link whose other end is an app in this process."""

    def __init__(self, app):
        self.client = TestClient(app, raise_server_exceptions=False)

    def call(self, method, path, *, actor="", json=None, params=None):
        answer = self.client.request(method, path, json=json, params=params, headers={ACTOR: actor})
        if answer.is_success:
            return answer.json() if answer.content else None
        raise refusal_from(answer.status_code, answer.json())


@pytest.fixture
def custodian(tmp_path):
    made = Custodian(tmp_path, SetClock(), project="p-1", dataset="ds-1", rows=lab_rows(200))
    made.offer()
    yield made
    made.database.close()


@pytest.fixture
def door(custodian):
    app = FastAPI()
    app.state.privacy = SimpleNamespace(reviews=custodian.reviews)
    app.include_router(reviews_api.router)
    answer_refusals(app)
    return LinkedReviews(OverHttp(app))


def test_a_steward_looks_tries_narrows_and_lets_go(custodian, door):
    assert [line["table"] for line in door.all(STINE)] == ["lab_values"]
    tried = door.preview(STINE, *WHICH, YEAR)["report"]["prosecutor"]["average"]
    assert tried < door.one(STINE, *WHICH)["report"]["prosecutor"]["average"]

    door.apply(STINE, *WHICH, door.one(STINE, *WHICH)["fingerprint"], YEAR)
    assert door.one(STINE, *WHICH)["report"]["prosecutor"]["average"] == tried
    door.approve(STINE, *WHICH, door.one(STINE, *WHICH)["fingerprint"])

    assert custodian.verdicts[-1] is Verdict.GO


def test_refusals_come_across_as_they_are(door):
    mark = door.one(STINE, *WHICH)["fingerprint"]
    for refusal, ask in (
        (NotFound, lambda: door.one(Steward("tor", "pop"), *WHICH)),
        (NotFound, lambda: door.approve(Steward("tor", "pop"), *WHICH, mark)),
        (NotFound, lambda: door.one(STINE, "p-1", "other")),
        (Denied, lambda: door.approve(Steward("", HOLDER), *WHICH, mark)),
        (Denied, lambda: door.approve(Steward("ola", HOLDER), *WHICH, mark)),
        (NotPossible, lambda: door.approve(STINE, *WHICH, "other")),
        (Invalid, lambda: door.refuse(STINE, *WHICH, mark, "")),
        (Invalid, lambda: door.preview(STINE, *WHICH, {"day": [{"kind": "year", "more": 1}]})),
        (Invalid, lambda: door.all(Steward("stine", ""))),
    ):
        with pytest.raises(refusal):
            ask()
    assert door.one(STINE, *WHICH)["state"] == "waiting"


def test_a_refused_extract_says_so(custodian, door):
    door.refuse(STINE, *WHICH, door.one(STINE, *WHICH)["fingerprint"], "For få personer.")

    assert custodian.verdicts[-1] is Verdict.REFUSED
    assert door.one(STINE, *WHICH)["reason"] == "For få personer."
