"""The office judges evidence for itself: each way of forging it is refused."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hvelv.kernel.errors import Denied, Refusal
from hvelv.kernel.signing import BadSignature, Signed, Signer
from hvelv.requests.domain.evidence import Evidence, grant_of, judge
from hvelv.requests.domain.permit import Permit
from hvelv.requests.domain.review import Choice, tally
from tests.builders_requests import (
    COMMITTEE,
    KARI,
    LAB_STEWARD,
    LEAD,
    NOON,
    ODD,
    PER,
    POP_STEWARD,
    SIGNER,
    House,
    a_decision,
    a_house,
    a_vote,
    a_wish,
    an_application,
    by_id,
)


def evidence() -> Evidence:
    application = an_application([(p, Choice.FOR) for p in COMMITTEE])
    for steward in (LAB_STEWARD, POP_STEWARD):
        application = application.decided(a_decision(application, steward))
    return Evidence.of(application, frozenset(p.id for p in COMMITTEE), application.revision, None)


def issue(house: House, document: dict[str, Any]) -> Signed:
    return house.office.issue("portal", document, grant_of(Evidence.from_dict(document)))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = a_house(tmp_path)
    yield made
    made.close()


def test_sound_evidence_gives_one_permit_however_often_it_is_asked(house: House) -> None:
    document = evidence().as_dict()
    assert issue(house, document) == issue(house, document)
    assert len(house.opened.jobs) == 1


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(document: dict[str, Any]) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        inner: Any = document
        for part in way:
            inner = inner[part]
        inner[last] = value

    return apply


FORGED = {
    "same voter twice": change("votes.1.person", "kari"),
    "a vote on another revision": change("votes.1.revision", "0" * 64),
    "a vote of the one who leads": change("votes.1.person", LEAD.id),
    "a vote of a member": change("votes.1.person", "mona"),
    "a vote of someone conflicted": change("conflicted", ["kari"]),
    "a steward who is conflicted": change("conflicted", ["stine"]),
    "a steward who takes part": change("decisions.0.person", "mona"),
    "two votes only": lambda d: d["votes"].pop(),
    "a holder missing": lambda d: d["decisions"].pop(),
    "a holder twice": lambda d: d["decisions"].append(d["decisions"][0]),
    "a holder that said no": change("decisions.0.choice", "against"),
    "a decision on another revision": change("decisions.0.revision", "0" * 64),
    "more granted than wished": change("decisions.0.granted.d-liver", 500_001),
    "nothing granted": change("decisions.0.granted", {}),
    "another holder's data granted": change("decisions.0.granted", {"d-population": 1}),
    "other columns than voted on": change("answers.wishes.0.columns", ["age", "town"]),
    "another title than voted on": change("answers.title", "Noe annet"),
    "more members than voted on": change("answers.members", ["mona", "fremmed"]),
    "another application": change("application", "app-2"),
    "another number": change("number", 2),
    "malformed": change("votes", "alle"),
    "no choice": change("votes.0.choice", "maybe"),
}


@pytest.mark.attack("WF02")
@pytest.mark.attack("WF06")
@pytest.mark.parametrize("name", FORGED)
def test_forged_evidence_is_refused(name: str, house: House) -> None:
    document = json.loads(json.dumps(evidence().as_dict()))
    FORGED[name](document)
    with pytest.raises(Refusal):
        issue(house, document)
    assert house.events(house.custodian) == []
    assert house.opened.jobs == []


def test_identifying_columns_are_refused_by_the_office_even_when_all_voted_for_them(house: House) -> None:
    application = an_application([(p, Choice.FOR) for p in COMMITTEE], wishes=(a_wish(columns=("age", "fnr")),))
    application = application.decided(a_decision(application, LAB_STEWARD))
    voters = frozenset(p.id for p in COMMITTEE)
    with pytest.raises(Denied) as refused:
        issue(house, Evidence.of(application, voters, application.revision, None).as_dict())
    assert refused.value.code == "grant-columns"


def test_a_holder_that_did_not_publish_the_data_cannot_answer_for_them(house: House) -> None:
    wishes = (a_wish(), a_wish("d-population", "h-lab"))
    application = an_application([(p, Choice.FOR) for p in COMMITTEE], wishes=wishes)
    application = application.decided(a_decision(application, LAB_STEWARD))
    voters = frozenset(p.id for p in COMMITTEE)
    with pytest.raises(Denied) as refused:
        issue(house, Evidence.of(application, voters, application.revision, None).as_dict())
    assert refused.value.code == "grant-holder"
    assert house.opened.jobs == []


def test_a_grant_that_does_not_follow_from_the_evidence_is_refused(house: House) -> None:
    sound = evidence()
    with pytest.raises(Denied):
        house.office.issue("portal", sound.as_dict(), grant_of(sound) | {"valid_until": "2035-01-01"})


def test_majorities_and_the_chair() -> None:
    application = an_application()
    for person, choice in ((KARI, Choice.FOR), (PER, Choice.AGAINST), (ODD, Choice.FOR)):
        application = application.voted(a_vote(application, person, choice))
    common = (application.revision, application.votes[:2], (), (), by_id())
    assert tally(*common, quorum=2).committee == "undecided"
    assert tally(*common, quorum=2, chair=KARI.id).committee == "approved"
    assert tally(*common, quorum=2, chair=PER.id).committee == "rejected"
    assert tally(*common, quorum=2, chair=ODD.id).committee == "undecided"


@pytest.mark.attack("WF06")
def test_a_permit_of_another_kind_key_or_content_is_no_permit(house: House) -> None:
    signed = issue(house, evidence().as_dict())
    assert Permit.verified(signed, SIGNER.verifier).allows("mona", NOON)
    for forged in (
        SIGNER.sign("release", signed.document),
        Signer.generate().sign("permit", signed.document),
        Signed("permit", signed.document | {"members": ["fremmed"]}, signed.signature, signed.key),
    ):
        with pytest.raises(BadSignature):
            Permit.verified(forged, SIGNER.verifier)


def test_a_majority_against_is_no_permit() -> None:
    application = an_application([(KARI, Choice.FOR), (PER, Choice.AGAINST), (ODD, Choice.AGAINST)])
    for steward in (LAB_STEWARD, POP_STEWARD):
        application = application.decided(a_decision(application, steward))
    found = Evidence.of(application, frozenset(v.person for v in application.votes), application.revision, None)
    with pytest.raises(Denied) as refused:
        judge(found, quorum=3)
    assert refused.value.code == "no-majority"
