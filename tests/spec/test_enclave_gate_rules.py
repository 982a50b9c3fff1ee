"""What passes the gate and what does not: one table, every rule."""

import pytest

from hvelv.enclave.domain.gate import RULES, Offer, findings_on, words_are_plain
from tests.builders import a_release, an_item, evidence

GOOD = Offer(an_item(), evidence())

REFUSED = {
    "a file of one's own": (Offer({"kind": "file", "path": "rows.csv"}, None), "G01-kind"),
    "no kind at all": (Offer({}, None), "G01-kind"),
    "bytes hidden in a field": (Offer(an_item(data="c2VjcmV0"), evidence()), "G02-fields"),
    "a number where a name should be": (Offer(an_item(measure=7), evidence()), "G02-fields"),
    "a release that is not there": (Offer(an_item(release="rel-9"), None), "G03-release"),
    "a release that was changed": (Offer(an_item(), evidence(signature_holds=False)), "G04-signature"),
    "a release that was not paid": (Offer(an_item(), evidence(charged_rho=0)), "G05-charge"),
    "a release paid too little": (Offer(an_item(), evidence(charged_rho=999)), "G05-charge"),
    "a release that says it was free": (Offer(an_item(), evidence(document=a_release(rho_micro=0))), "G05-charge"),
    "another dataset": (Offer(an_item(), evidence(in_permit=False)), "G06-permit"),
    "no title": (Offer(an_item(title=" "), evidence()), "G07-title"),
    "a number for a title": (Offer(an_item(title="01410112345"), evidence()), "G07-title"),
    "a number in pieces": (Offer(an_item(title="0 1 4 1 0 1"), evidence()), "G07-title"),
    "a title in code": (Offer(an_item(title="aGVsbG8gdGhpcyBpcyBhIHNlY3JldCBtZXNz"), evidence()), "G07-title"),
    "zero-width signs": (Offer(an_item(title="Alder\u200better"), evidence()), "G07-title"),
    "a title of many lines": (Offer(an_item(title="Alder\netter"), evidence()), "G07-title"),
    "a title like a book": (Offer(an_item(title="alder " * 20), evidence()), "G07-title"),
    "a figure of nothing": (Offer(an_item(kind="figure", measure="sum"), evidence()), "G08-figure"),
    "a figure in a form we do not draw": (
        Offer(an_item(kind="figure", measure="count", mark="image"), evidence()),
        "G08-figure",
    ),
}


def test_a_certified_release_with_a_plain_title_passes():
    assert findings_on("Første tabell", (GOOD, Offer(an_item(kind="figure", measure="count"), evidence()))) == ()


@pytest.mark.parametrize("name", REFUSED)
def test_the_gate_refuses_and_says_which_rule_and_what_to_do(name):
    offer, rule = REFUSED[name]

    found = findings_on("Tittel", (GOOD, offer))

    assert [finding.rule for finding in found] == [rule]
    assert found[0].item == 2
    assert found[0].reason
    assert found[0].remedy


def test_every_rule_is_seen_to_refuse_something():
    assert {rule for _offer, rule in REFUSED.values()} == {rule.id for rule in RULES}


def test_a_request_without_items_or_with_too_many_is_refused():
    assert [f.rule for f in findings_on("Tittel", ())] == ["G09-count"]
    assert "G09-count" in [f.rule for f in findings_on("Tittel", (GOOD,) * 21)]


@pytest.mark.attack("EX15")
@pytest.mark.parametrize(
    "title",
    ["4f6e6520706572736f6e2077617320686572", "x" * 26, "12345", "2010-2011-20", "\ufeffAlder", "Alder\u2009ett"],
)
def test_encoded_or_invisible_words_are_not_plain(title):
    assert not words_are_plain(title)


@pytest.mark.parametrize("title", ["Dødsfall etter alder, 2010–2020", "HbA1c (andel over 48) – kvinner", "NAFLD?"])
def test_ordinary_titles_are_plain(title):
    assert words_are_plain(title)
