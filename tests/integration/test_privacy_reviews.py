"""The steward's go-ahead on a real database, with risk really measured: what waits, who may answer, what is kept."""

import json
from dataclasses import replace

import pytest

from hvelv.kernel.clock import SetClock
from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible
from hvelv.privacy.domain.reviewing import Verdict
from hvelv.privacy.domain.risk import Policy
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.domain.steps import SuppressRare, transforms_from
from hvelv.privacy.pages.extracts import _choices
from hvelv.privacy.service.reviews import Steward
from tests.builders_reviews import HOLDER, LABS, Custodian, lab_rows

STINE, TOR, OLA = Steward("stine", HOLDER), Steward("tor", "pop"), Steward("ola", HOLDER)
WHICH = ("p-1", "lab_values")
YEAR = {"day": [{"kind": "year"}], "place": [{"kind": "truncate", "length": 2}]}
BANDS = {"age": [{"kind": "bands", "edges": [40, 60]}]}
ROWS = lab_rows(400)
RARE_AGES = Schema(
    LABS.table,
    tuple(
        replace(one, transforms=(SuppressRare(persons=5, instead=-1),)) if one.name == "age" else one
        for one in LABS.columns
    ),
)


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


def test_every_step_that_is_offered_can_be_made_although_rare_values_are_replaced_at_the_end(make):
    custodian = make(schema=RARE_AGES)
    custodian.offer()
    (age,) = [one for one in _choices(shown(custodian)) if one["name"] == "age"]

    assert age["options"]
    for option in age["options"]:
        RARE_AGES.extracted(("age",), {"age": transforms_from(json.loads(option["json"]))})
    for one in shown(custodian)["report"]["suggestions"]:
        steps = {name: transforms_from(documents) for name, documents in one["extra"].items()}
        RARE_AGES.extracted([c.name for c in LABS.columns], steps)


def test_steps_that_the_extract_cannot_be_made_with_are_refused_before_anything_is_decided(make):
    custodian = make(schema=RARE_AGES)
    custodian.offer()
    before = shown(custodian)
    for ask in (
        lambda: custodian.reviews.preview(STINE, *WHICH, BANDS),
        lambda: custodian.reviews.apply(STINE, *WHICH, before["fingerprint"], BANDS),
    ):
        with pytest.raises(Invalid):
            ask()
    assert shown(custodian) == before
    assert custodian.resumed == []


def test_where_the_source_is_not_known_nothing_but_leaving_out_comes_after_rare_values(make):
    custodian = make(schema=RARE_AGES)
    custodian.offer(declared=None)
    for extra in (BANDS, {"age": [{"kind": "round", "step": 10}]}):
        with pytest.raises(Invalid):
            custodian.reviews.preview(STINE, *WHICH, extra)
    assert custodian.reviews.preview(STINE, *WHICH, {"age": [{"kind": "drop"}]})["report"]["quasi"]


def test_more_steps_than_a_variable_can_have_are_refused_before_they_are_kept(make):
    custodian = make()
    for number in range(12):
        custodian.offer()
        custodian.reviews.apply(
            STINE, *WHICH, shown(custodian)["fingerprint"], {"age": [{"kind": "clip", "high": 99 - number}]}
        )
        custodian.offer(fingerprint=f"f{number}")
    with pytest.raises(Invalid):
        custodian.reviews.apply(STINE, *WHICH, shown(custodian)["fingerprint"], {"age": [{"kind": "clip", "high": 80}]})
    assert shown(custodian)["state"] == "waiting"


def test_steps_are_taken_back_while_the_extract_is_made_anew(make):
    custodian = make()
    custodian.offer(fingerprint="one")
    before, custodian.answering = shown(custodian), False
    custodian.reviews.apply(STINE, *WHICH, "one", YEAR)

    custodian.reviews.apply(STINE, *WHICH, "one", {})

    assert custodian.reviews.steps("p-1", "lab_values", 1) == {}
    assert custodian.resumed == ["p-1", "p-1"]
    assert custodian.offer(fingerprint="one") is Verdict.WAITING
    after = shown(custodian)
    assert (after["state"], after["before"], after["report"]) == ("waiting", None, before["report"])


def test_other_steps_come_instead_of_the_last_ones_while_the_extract_is_made_anew_and_earlier_ones_stay(make):
    custodian = make()
    custodian.offer(fingerprint="one")
    custodian.answering = False
    custodian.reviews.apply(STINE, *WHICH, "one", {"place": [{"kind": "truncate", "length": 2}]})
    custodian.offer(fingerprint="two")
    custodian.reviews.apply(STINE, *WHICH, "two", {"day": [{"kind": "year"}], "age": [{"kind": "drop"}]})

    custodian.reviews.apply(STINE, *WHICH, "two", {"day": [{"kind": "month"}]})
    assert {n: [s.kind for s in some] for n, some in custodian.reviews.steps("p-1", "lab_values", 1).items()} == {
        "place": ["truncate"],
        "day": ["month"],
    }
    custodian.reviews.apply(STINE, *WHICH, "two", {})
    assert set(custodian.reviews.steps("p-1", "lab_values", 1)) == {"place"}


def test_an_extract_from_before_the_steps_does_not_end_the_wait_for_the_one_with_them(make):
    custodian = make()
    custodian.offer(fingerprint="one")
    custodian.answering = False
    custodian.reviews.apply(STINE, *WHICH, "one", YEAR)

    custodian.offer(fingerprint="one")

    assert shown(custodian)["state"] == "changing"


def test_what_is_refused_while_it_is_made_anew_is_what_was_seen(make):
    custodian = make()
    custodian.offer(fingerprint="one")
    custodian.answering = False
    custodian.reviews.apply(STINE, *WHICH, "one", YEAR)
    custodian.reviews.refuse(STINE, *WHICH, "one", "Nei.")

    assert custodian.reviews.steps("p-1", "lab_values", 1) == {}
    assert custodian.offer(fingerprint="one") is Verdict.REFUSED


def test_a_refusal_of_an_extract_with_steps_holds_and_does_not_bring_back_the_finer_one(make):
    custodian = make()
    custodian.offer()
    custodian.reviews.apply(STINE, *WHICH, shown(custodian)["fingerprint"], YEAR)
    custodian.reviews.refuse(STINE, *WHICH, shown(custodian)["fingerprint"], "For få personer.")

    assert custodian.verdicts[-1] is Verdict.REFUSED
    assert custodian.offer(needed=False) is Verdict.REFUSED
    assert custodian.offer(needed=False, fingerprint="another") is Verdict.WAITING


@pytest.mark.parametrize("needed", [True, False])
def test_the_steps_of_a_go_ahead_hold_for_the_generations_after_it(make, needed):
    custodian = make()
    custodian.offer()
    custodian.reviews.apply(STINE, *WHICH, shown(custodian)["fingerprint"], YEAR)
    custodian.reviews.approve(STINE, *WHICH, shown(custodian)["fingerprint"])
    decided = custodian.reviews.steps("p-1", "lab_values", 1)
    custodian.needed = needed

    for generation in (2, 3):
        custodian.generation = generation
        assert custodian.reviews.steps("p-1", "lab_values", generation) == decided
        assert custodian.offer() is (Verdict.WAITING if needed else Verdict.GO)
        assert custodian.reviews.steps("p-1", "lab_values", generation) == decided
        assert shown(custodian)["extra"] == YEAR
        if needed:
            custodian.reviews.approve(STINE, *WHICH, shown(custodian)["fingerprint"])
    assert set(custodian.reviews.steps("p-1", "lab_values", 4, among=("day", "age"))) == {"day"}
    assert custodian.reviews.steps("p-1", "other", 4) == {}
    assert custodian.reviews.steps("p-2", "lab_values", 4) == {}


def test_steps_of_an_extract_that_never_went_are_not_carried_on(make):
    custodian = make()
    custodian.offer()
    custodian.reviews.apply(STINE, *WHICH, shown(custodian)["fingerprint"], YEAR)
    assert shown(custodian)["state"] == "waiting"
    assert custodian.reviews.steps("p-1", "lab_values", 2) == {}


@pytest.mark.parametrize("schema", [LABS, RARE_AGES])
def test_an_extract_of_nobody_waits_and_goes_as_any_other(make, schema):
    custodian = make(rows=[], schema=schema)

    assert custodian.offer() is Verdict.WAITING
    report = shown(custodian)["report"]
    assert (report["persons"], report["findings"], report["suggestions"]) == (0, [], [])
    assert _choices(shown(custodian)) == []
    rare = {"place": [{"kind": "suppress", "persons": 5, "instead": "andre"}]}
    assert custodian.reviews.preview(STINE, *WHICH, rare)["report"]["persons"] == 0
    custodian.reviews.approve(STINE, *WHICH, shown(custodian)["fingerprint"])
    assert custodian.verdicts[-1] is Verdict.GO
