"""The steward's go-ahead on a real database, with risk really measured: what waits, who may answer, what is kept."""

import json

import pytest

from hvelv.kernel.clock import SetClock
from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible
from hvelv.privacy.domain.reviewing import Verdict
from hvelv.privacy.domain.risk import Policy
from hvelv.privacy.service.reviews import Steward
from tests.builders_reviews import HOLDER, Custodian, lab_rows

STINE, TOR, OLA = Steward("stine", HOLDER), Steward("tor", "pop"), Steward("ola", HOLDER)
WHICH = ("p-1", "lab_values")
YEAR = {"day": [{"kind": "year"}], "place": [{"kind": "truncate", "length": 2}]}
ROWS = lab_rows(400)


@pytest.fixture
def make(tmp_path, database_url):
    made = []

    def maker(**more):
        more = {"project": "p-1", "dataset": "ds-1", "url": database_url, "rows": ROWS} | more
        made.append(Custodian(tmp_path / "custodian", SetClock(), **more))
        return made[-1]

    yield maker
    for one in made:
        one.database.close()


def shown(custodian, steward=STINE):
    return custodian.reviews.view(steward.holder, *WHICH)


def kept(custodian):
    return [path for path in (custodian.folder / "kept").rglob("*") if path.is_file()]


def test_an_extract_that_nobody_has_to_see_goes_at_once_and_leaves_its_report(make):
    custodian = make(needed=False)

    assert custodian.offer() is Verdict.GO
    assert shown(custodian)["state"] == "noted"
    assert shown(custodian)["report"]["persons"] == 400
    assert kept(custodian) == []


def test_an_extract_over_a_limit_waits_where_the_policy_says_so(make):
    assert make(needed=False, policy=Policy(hold=True)).offer() is Verdict.WAITING


def test_an_extract_waits_until_the_steward_lets_it_go(make):
    custodian = make()
    assert [custodian.offer(), custodian.offer()] == [Verdict.WAITING, Verdict.WAITING]
    measured = [action for _actor, action in custodian.actions() if action == "extract.measured"]

    custodian.reviews.approve(STINE, *WHICH, shown(custodian)["fingerprint"])

    assert custodian.verdicts[-1] is Verdict.GO
    assert custodian.resumed == ["p-1"]
    assert custodian.actions()[-1] == ("stine", "extract.approved")
    assert measured == ["extract.measured"]  # asked again with the same, nothing is measured again
    assert kept(custodian) == []


def test_a_go_ahead_is_for_the_extract_that_was_seen_and_no_other(make):
    custodian = make()
    custodian.offer(fingerprint="one")
    custodian.offer(fingerprint="two")

    with pytest.raises(NotPossible):
        custodian.reviews.approve(STINE, *WHICH, "one")
    assert shown(custodian)["state"] == "waiting"

    custodian.answering = False
    custodian.reviews.approve(STINE, *WHICH, "two")
    assert custodian.offer(fingerprint="two") is Verdict.GO
    assert custodian.offer(fingerprint="three") is Verdict.WAITING


def test_steps_that_are_tried_change_nothing_but_show_the_risk_they_give(make):
    custodian = make()
    custodian.offer()
    before = shown(custodian)

    tried = custodian.reviews.preview(STINE, *WHICH, YEAR)

    assert tried["report"]["small"] < before["report"]["small"]
    assert shown(custodian) == before
    assert custodian.actions()[-1] == ("stine", "extract.previewed")


def test_steps_that_are_applied_have_the_extract_made_anew_with_the_risk_that_was_shown(make):
    custodian = make()
    custodian.offer()
    tried = custodian.reviews.preview(STINE, *WHICH, YEAR)["report"]
    before = shown(custodian)

    custodian.reviews.apply(STINE, *WHICH, before["fingerprint"], YEAR)

    after = shown(custodian)
    assert after["state"] == "waiting"
    assert after["fingerprint"] != before["fingerprint"]
    assert after["report"]["small"] == tried["small"]
    assert after["report"]["subsets"] == tried["subsets"]
    assert after["before"]["small"] == before["report"]["small"]
    assert set(custodian.reviews.steps("p-1", "lab_values", 1)) == {"day", "place"}
    assert ("stine", "extract.narrowed") in custodian.actions()


def test_what_was_made_before_the_steward_narrowed_it_does_not_go(make):
    custodian = make()
    custodian.offer(fingerprint="one")
    custodian.answering = False
    custodian.reviews.apply(STINE, *WHICH, "one", YEAR)

    assert custodian.offer(fingerprint="one") is Verdict.WAITING


def test_an_extract_that_is_refused_does_not_go_and_says_why(make):
    custodian = make()
    custodian.offer()
    custodian.reviews.refuse(STINE, *WHICH, shown(custodian)["fingerprint"], "For få personer.")

    assert custodian.verdicts[-1] is Verdict.REFUSED
    assert shown(custodian)["reason"] == "For få personer."
    assert kept(custodian) == []
    with pytest.raises(NotPossible):
        custodian.reviews.approve(STINE, *WHICH, shown(custodian)["fingerprint"])


def test_another_extract_than_the_refused_one_is_judged_anew(make):
    custodian = make()
    custodian.offer(fingerprint="one")
    custodian.answering = False
    custodian.reviews.refuse(STINE, *WHICH, "one", "For få personer.")

    assert custodian.offer(fingerprint="two") is Verdict.WAITING


def test_a_refusal_needs_a_reason(make):
    custodian = make()
    custodian.offer()
    with pytest.raises(Invalid):
        custodian.reviews.refuse(STINE, *WHICH, shown(custodian)["fingerprint"], "  ")


def test_another_holders_steward_does_not_know_of_it(make):
    custodian = make()
    custodian.offer()
    mark = shown(custodian)["fingerprint"]

    assert custodian.reviews.of_holder("pop") == []
    for ask in (
        lambda: custodian.reviews.view("pop", *WHICH),
        lambda: custodian.reviews.preview(TOR, *WHICH, YEAR),
        lambda: custodian.reviews.apply(TOR, *WHICH, mark, YEAR),
        lambda: custodian.reviews.approve(TOR, *WHICH, mark),
        lambda: custodian.reviews.refuse(TOR, *WHICH, mark, "nei"),
    ):
        with pytest.raises(NotFound):
            ask()


def test_nobody_answers_for_the_extract_of_a_project_they_take_part_in(make):
    custodian = make()
    custodian.offer()
    mark = shown(custodian)["fingerprint"]
    for ask in (
        lambda: custodian.reviews.preview(OLA, *WHICH, YEAR),
        lambda: custodian.reviews.apply(OLA, *WHICH, mark, YEAR),
        lambda: custodian.reviews.approve(OLA, *WHICH, mark),
        lambda: custodian.reviews.refuse(OLA, *WHICH, mark, "nei"),
    ):
        with pytest.raises(Denied):
            ask()
    assert shown(custodian)["state"] == "waiting"


@pytest.mark.parametrize(
    "extra",
    [
        {"value": [{"kind": "round", "step": 10}]},  # is not what an outsider knows
        {"nothing": [{"kind": "drop"}]},
        {"day": [{"kind": "truncate", "length": 2}]},
        {"day": [{"kind": "shift", "days": 30}]},
        {"age": [{"kind": "bands", "edges": [-5, 40]}]},
        {"age": "year"},
    ],
)
def test_steps_that_do_not_fit_are_refused(make, extra):
    custodian = make()
    custodian.offer()
    with pytest.raises(Invalid):
        custodian.reviews.preview(STINE, *WHICH, extra)


def test_suggestions_bring_down_what_they_say(make):
    custodian = make()
    custodian.offer()
    report = shown(custodian)["report"]
    assert report["suggestions"]
    for one in report["suggestions"]:
        tried = custodian.reviews.preview(STINE, *WHICH, one["extra"])["report"]
        assert (tried["k"], tried["small"]) == (one["then"]["k"], one["then"]["small"])
        assert one["now"]["small"] == report["small"]
        assert tried["prosecutor"]["average"] < report["prosecutor"]["average"]


def test_neither_report_nor_audit_nor_what_is_kept_names_a_value_or_a_pseudonym(make):
    custodian = make()
    custodian.offer()
    custodian.reviews.preview(STINE, *WHICH, YEAR)
    with custodian.database.reading() as session:
        trail = [json.dumps(dict(row.detail)) for row in custodian.database.trail.rows(session)]
    report = json.dumps(shown(custodian)["report"])
    for row in ROWS[:50]:
        for value in (str(row["pid"]), f'"{row["place"]}"', row["day"].isoformat()):
            assert value not in report
            assert not any(value in line for line in trail)
    kept_bytes = b"".join(path.read_bytes() for path in kept(custodian))
    assert kept_bytes
    assert not any(row["pid"].to_bytes(8, "little") in kept_bytes for row in ROWS)


def test_what_was_left_behind_long_ago_is_cleared_and_what_waits_stays(make):
    custodian = make()
    custodian.offer()
    stray = custodian.folder / "kept" / "p-2" / "gone"
    stray.mkdir(parents=True)
    clock = custodian.reviews._clock

    assert custodian.reviews.tidy(lambda _project: True) == 0
    clock.at = clock.now().replace(year=2099)  # the folder has the machine's time
    assert custodian.reviews.tidy(lambda _project: True) == 1
    assert kept(custodian)
    assert custodian.reviews.tidy(lambda _project: False) == 1
    assert kept(custodian) == []
