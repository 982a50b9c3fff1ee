"""Languages: complete, and with the habits of each."""

from datetime import UTC, datetime
from string import Formatter

import pytest
from babel.messages.pofile import read_po

from hvelv.kernel.errors import Denied, Problem
from hvelv.portal import translations
from hvelv.portal.i18n import LANGUAGES, language, po_file

NB, EN = LANGUAGES["nb"], LANGUAGES["en"]
THIN = "\u00a0"


def test_nothing_lacks_an_english_text():
    assert translations.missing("en") == []


def test_a_text_that_is_not_translated_is_found(monkeypatch):
    monkeypatch.setattr(
        translations, "msgids", lambda: iter([("En ny setning.", "portal/new.py:1"), ("Logg inn", "x:1")])
    )

    assert translations.missing("en") == ["portal/new.py:1: En ny setning."]
    assert translations.missing("nb") == []


def test_every_translation_has_the_places_of_its_source():
    with po_file("en").open("rb") as file:
        catalog = read_po(file)
    for message in catalog:
        if message.id and "%(" not in message.id:
            assert places(message.string) <= places(message.id), message.id
        for place in (word for word in message.string.replace("%(", "\n(").split("\n") if word.startswith("(")):
            if message.id and "%(" in message.id:
                assert "%" + place[: place.index(")s") + 2] in message.id


def places(text):
    return {name for _literal, name, _spec, _conversion in Formatter().parse(text) if name}


@pytest.mark.parametrize(
    ("lang", "expected"),
    [
        (NB, [f"1{THIN}234{THIN}567,5", "0,50", f"12{THIN}%", "2. mars 2026", "2. mars 2026 kl. 13.00", f"48{THIN}kB"]),
        (EN, ["1,234,567.5", "0.50", "12%", "2 March 2026", "2 March 2026 at 13:00", f"48{THIN}kB"]),
    ],
)
def test_numbers_and_dates_follow_the_language(lang, expected):
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)

    shown = [
        lang.number(1234567.5),
        lang.decimals(0.5),
        lang.percent(0.12),
        lang.date(at),
        lang.moment(at),
        lang.size(48211),
    ]

    assert shown == expected


def test_what_is_missing_is_a_dash_and_what_is_no_date_is_shown_as_typed():
    assert [NB.number(None), NB.date(None), NB.moment(""), NB.percent(None)] == ["–"] * 4
    assert NB.date("snart") == "snart"


def test_a_refusal_is_translated_with_its_values_in_the_readers_language():
    refusal = Denied("Tillatelsen gjelder ikke nå: den står som «{state}».", state="Stanset")

    assert EN.refusal(refusal)[0] == "The permit is not valid now: it stands as “Suspended”."
    assert NB.refusal(refusal)[0] == "Tillatelsen gjelder ikke nå: den står som «Stanset»."


def test_a_number_in_a_problem_follows_the_language():
    problem = Problem("Filen er større enn {most} byte.", params={"most": 4294967296})

    assert EN.problem(problem) == "The file is larger than 4,294,967,296 bytes."


def test_a_language_we_do_not_have_is_the_default_one():
    assert language("xx", "en").code == "en"
    assert language(None).code == "nb"


def test_a_text_without_english_is_shown_in_norwegian():
    assert EN.pick({"nb": "Blodprøver", "en": ""}) == "Blodprøver"
    assert EN.pick({"nb": "Blodprøver", "en": "Blood samples"}) == "Blood samples"
