"""What passes the gate and what does not: one table, every rule."""

import pytest

from hvelv.enclave.domain.gate import MOST_A_DAY, RULES, Offer, artifacts, findings_on, plain_items
from hvelv.enclave.domain.naming import title_of
from tests.builders import a_release, an_item, evidence


def kept(item):
    """Return an item as it is kept of whatever was sent, without evidence."""
    return plain_items([item])[0], None


GOOD = Offer(an_item(), evidence())

REFUSED = {
    "a file of one's own": (Offer({"kind": "file", "path": "rows.csv"}, None), "G01-kind"),
    "no kind at all": (Offer({}, None), "G01-kind"),
    "a kind that is no text": (Offer(*kept({"kind": []})), "G01-kind"),
    "a thing that is no item": (Offer(*kept(["rows"])), "G01-kind"),
    "a release that is no text": (Offer(*kept(an_item(release={"a": 1}))), "G02-fields"),
    "a field as long as a book": (Offer(*kept(an_item(title="x" * 201))), "G02-fields"),
    "a field with a zero byte": (Offer(*kept(an_item(release="rel-0001\0"))), "G02-fields"),
    "bytes hidden in a field": (Offer(an_item(data="c2VjcmV0"), evidence()), "G02-fields"),
    "a number where a name should be": (Offer(an_item(measure=7), evidence()), "G02-fields"),
    "a release that is not there": (Offer(an_item(release="rel-9"), None), "G03-release"),
    "a release that was changed": (Offer(an_item(), evidence(signature_holds=False)), "G04-signature"),
    "a release that was not paid": (Offer(an_item(), evidence(charged_rho=0)), "G05-charge"),
    "a release paid too little": (Offer(an_item(), evidence(charged_rho=999)), "G05-charge"),
    "a release that says it was free": (Offer(an_item(), evidence(document=a_release(rho_micro=0))), "G05-charge"),
    "another dataset": (Offer(an_item(), evidence(in_permit=False)), "G06-permit"),
    "a figure of nothing": (Offer(an_item(kind="figure", measure="sum"), evidence()), "G07-figure"),
    "a figure in a form we do not draw": (
        Offer(an_item(kind="figure", measure="count", mark="image"), evidence()),
        "G07-figure",
    ),
    "a further table that is not there": (Offer(an_item(part="rmst"), evidence()), "G11-part"),
}
RMST = {"keys": ["sex"], "rows": [{"key": ["m"], "values": {"rmst": 3.5}, "error95": {"rmst": 0.2}}]}


def test_a_further_table_of_a_release_is_made_in_the_release_s_place():
    document = a_release(tables={"rmst": RMST}, kind="survival")
    offers = (
        Offer(an_item(part="rmst"), evidence(document=document)),
        Offer(an_item(kind="figure", part="rmst", measure="rmst", mark="point"), evidence(document=document)),
    )

    assert findings_on(offers) == ()
    assert [made["rows"] for _artifact, made in artifacts(offers)] == [RMST["rows"]] * 2
    assert title_of(*artifacts(offers)[0]) == "population (survival) (rmst): rmst by sex"


def test_releases_that_share_one_of_their_linked_datasets_must_be_of_the_same_extract_of_it():
    def linked(second, at):
        extracts = [{"dataset_id": "d-one", "extract_hash": "one"}, {"dataset_id": "d-two", "extract_hash": second}]
        document = a_release(
            dataset_id="d-one", extract_hash="whole", extracts=extracts, at=f"2026-01-{at:02d}T12:00:00"
        )
        return Offer(an_item(), evidence(document=document))

    assert [f.rule for f in findings_on((linked("old", 1), linked("new", 2)))] == ["G10-mixed"]
    assert findings_on((linked("new", 1), linked("new", 2))) == ()


def test_a_certified_release_with_a_plain_title_passes():
    assert findings_on((GOOD, Offer(an_item(kind="figure", measure="count"), evidence()))) == ()


@pytest.mark.parametrize("name", REFUSED)
def test_the_gate_refuses_and_says_which_rule_and_what_to_do(name):
    offer, rule = REFUSED[name]

    found = findings_on((GOOD, offer))

    assert [finding.rule for finding in found] == [rule]
    assert found[0].item == 2
    assert found[0].reason
    assert found[0].remedy


def test_every_rule_is_seen_to_refuse_something():
    assert {rule for _offer, rule in REFUSED.values()} == {rule.id for rule in RULES}


def test_a_request_without_items_or_with_too_many_is_refused():
    assert [f.rule for f in findings_on(())] == ["G08-count"]
    assert "G08-count" in [f.rule for f in findings_on((GOOD,) * 21)]


def of(extract, at, **changes):
    """Return an offer of a release that was made of an extract."""
    document = a_release(dataset_id="d-one", extract_hash=extract, at=f"2026-01-{at:02d}T12:00:00+00:00")
    return Offer(an_item(), evidence(document=document | changes))


MIXTURES = {
    "one extract": ((of("old", 1), of("old", 2)), []),
    "one extract, which is not the newest any more": ((of("old", 1),), []),
    "two extracts of two datasets": ((of("old", 1), of("new", 2, dataset_id="d-two")), []),
    "two extracts of one dataset": ((of("old", 1), of("new", 2)), [1]),
    "the newer one first": ((of("new", 2), of("old", 1)), [2]),
    "two of the old, one of the new, another dataset": (
        (of("old", 1), of("new", 3), of("old", 2), of("x", 9, dataset_id="d-two")),
        [1, 3],
    ),
    "an extract of a version with another table": ((of("old", 1, dataset="labs"), of("new", 2, dataset="labs2")), [1]),
    "a release that does not say its extract": ((of(None, 1), of("new", 2)), [1]),
}


@pytest.mark.attack("PS12")
@pytest.mark.attack("DP21")
@pytest.mark.parametrize("name", MIXTURES)
def test_figures_of_two_extracts_of_one_dataset_do_not_leave_together(name):
    offers, refused = MIXTURES[name]

    found = findings_on(offers)

    assert [(finding.rule, finding.item) for finding in found] == [("G10-mixed", number) for number in refused]
    assert all(finding.reason and finding.remedy for finding in found)


def test_a_project_gets_only_so_many_bundles_a_day():
    assert findings_on((GOOD,), released_today=MOST_A_DAY - 1) == ()
    assert [f.rule for f in findings_on((GOOD,), released_today=MOST_A_DAY)] == ["G09-daily"]


@pytest.mark.attack("EX13")
@pytest.mark.attack("EX15")
def test_neither_the_order_nor_the_number_nor_the_words_of_what_is_offered_change_what_is_made():
    table, figure = Offer(an_item(), evidence()), Offer(an_item(kind="figure", measure="count"), evidence())
    again = Offer(an_item(title="4f6e6520706572736f6e", measure="count", mark="line"), evidence())

    made = artifacts((figure, table, again, table))

    assert made == artifacts((table, figure))
    assert not any(hasattr(artifact, "title") for artifact, _document in made)
