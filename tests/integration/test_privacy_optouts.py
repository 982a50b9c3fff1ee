"""The register of objections and of changed numbers, on both databases: what goes in, what is refused, what holds."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from hvelv.kernel.errors import Invalid, Unavailable
from hvelv.privacy.domain.objecting import Act
from hvelv.privacy.service import intake
from hvelv.privacy.service.optouts import NOTHING, same_objectors
from tests.builders_optouts import (
    DEATHS,
    LABS,
    a_register,
    blocks,
    change,
    number,
    numbers,
    objection,
    withdrawal,
)

A, B, C, D = (number(person) for person in range(1, 5))


@pytest.fixture
def register(database_url):
    register = a_register(database_url)
    yield register
    register.database.close()


def places(refusal):
    """Return field and row of each problem."""
    return [(problem.field, problem.row) for problem in refusal.value.problems]


# ---- what goes in


def test_objections_are_counted_and_nobodys_number_is_kept(register):
    rows = [objection(1), objection(2), objection(2, scope="dataset:d-labs"), objection(1)]

    assert register.optouts.take_in(rows, "registrar") == {"added": 3, "known": 1}
    assert register.optouts.take_in(rows, "registrar") == {"added": 0, "known": 4}
    register.canonical.take_in([change(1, 2)], "registrar")

    for digits in (A, B):
        assert not any(form in register.stored() for form in (digits, digits.encode().hex(), digits[::-1]))
    assert ("opt-outs.imported", {"added": 3, "known": 1}) in register.actions()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"person_number": "0181011234"}, "person_number"),
        ({"person_number": 1810112345}, "person_number"),
        ({"scope": ""}, "scope"),
        ({"scope": "d-lab"}, "scope"),
        ({"scope": "purpose:marketing"}, "scope"),
        ({"scope": "holder:h-three"}, "scope"),
        ({"scope": "ALL"}, "scope"),
        ({"scope": None}, "scope"),
        ({"since": "yesterday"}, "since"),
        ({"since": "20260101"}, "since"),
        ({"since": "2026-02-30"}, "since"),
        ({"since": None}, "since"),
        ({"by": "neighbour"}, "by"),
        ({"by": ["self"]}, "by"),
        ({"by": "guardian", "representative": "12"}, "representative"),
        ({"by": "self", "representative": B}, "representative"),
        ({"representative": B}, "representative"),
    ],
)
def test_one_bad_objection_stops_the_import_and_is_named_by_its_row(register, changes, field):
    with pytest.raises(Invalid) as refusal:
        register.optouts.take_in([objection(1), objection(2, **changes)], "registrar")

    assert places(refusal) == [(field, 2)]
    told = json.dumps(refusal.value.as_dict())
    assert not any(digits in told for digits in ("0181011234", A, B))
    assert register.optouts.take_in([objection(1)], "registrar") == {"added": 1, "known": 0}


def test_who_objects_for_another_is_kept_as_a_relation_and_a_block(register):
    rows = [objection(1, by="guardian", representative=B), objection(3, by="parent")]

    register.optouts.take_in(rows, "registrar")

    assert register.optouts.count()["on_behalf"] == 2
    assert register.against() == {A, C}
    assert B not in register.stored()


def test_an_older_file_that_names_a_dataset_without_its_kind_means_the_same(register):
    register.optouts.take_in([objection(1, scope="d-labs")], "registrar")

    assert register.optouts.take_in([objection(1, scope="dataset:d-labs")], "registrar") == {"added": 0, "known": 1}
    assert (register.against(LABS), register.against(DEATHS)) == ({A}, set())


# ---- what holds


@pytest.mark.parametrize(
    ("scope", "hit"),
    [
        ("all", {"labs statistics", "labs scientific_research", "deaths statistics"}),
        ("purpose:statistics", {"labs statistics", "deaths statistics"}),
        ("dataset:d-labs", {"labs statistics", "labs scientific_research"}),
        ("holder:h-two", {"deaths statistics"}),
    ],
)
def test_a_scope_hits_what_it_names_and_nothing_else(register, scope, hit):
    register.optouts.take_in([objection(1, scope=scope)], "registrar")

    looks = {
        "labs statistics": (LABS, "statistics"),
        "labs scientific_research": (LABS, "scientific_research"),
        "deaths statistics": (DEATHS, "statistics"),
    }
    assert {name for name, look in looks.items() if register.against(*look)} == hit


def test_an_objection_can_be_said_to_hold_earlier_and_a_later_day_moves_nothing(register):
    take_in = register.optouts.take_in

    take_in([objection(1, since="2026-06-01")], "registrar")
    assert register.against() == set()
    take_in([objection(1, since="2026-01-10")], "registrar")
    assert register.against() == {A}
    take_in([objection(1, since="2026-07-01")], "registrar")
    assert register.against() == {A}


def test_an_objection_holds_as_soon_as_its_day_has_begun_anywhere(register):
    register.optouts.take_in([objection(1, since="2026-01-16")], "registrar")

    register.clock.at = datetime(2026, 1, 15, 9, 59, tzinfo=UTC)
    assert register.against() == set()
    register.clock.at = datetime(2026, 1, 15, 23, 30, tzinfo=UTC)  # past midnight in Oslo
    assert register.against() == {A}


def test_a_withdrawal_holds_once_its_day_has_begun_everywhere(register):
    register.optouts.take_in([objection(1)], "registrar")
    register.optouts.withdraw([withdrawal(1, until="2026-03-01")], "registrar")

    register.clock.at = datetime(2026, 3, 1, 11, 59, tzinfo=UTC)
    assert register.against() == {A}
    register.clock.at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert register.against() == set()


def test_who_changes_their_mind_twice_objects_again_and_nothing_of_it_is_lost(register):
    register.optouts.take_in([objection(1)], "registrar")
    register.optouts.withdraw([withdrawal(1, until="2026-01-05")], "registrar")
    assert register.against() == set()

    register.optouts.take_in([objection(1)], "registrar")  # the same file once more is nothing new
    assert register.against() == set()
    register.optouts.take_in([objection(1, since="2026-01-12")], "registrar")
    assert register.against() == {A}

    counts = register.optouts.count()
    assert (counts["persons"], counts["all"], counts["withdrawals"]) == (1, 1, 1)


def test_of_an_objection_and_a_withdrawal_of_one_day_the_objection_holds(register):
    register.optouts.take_in([objection(1, since="2026-01-05")], "registrar")
    register.optouts.withdraw([withdrawal(1, until="2026-01-05")], "registrar")

    assert register.against() == {A}


def test_a_withdrawal_from_another_scope_leaves_the_objection_and_is_pointed_out(register):
    register.optouts.take_in([objection(1), objection(2)], "registrar")
    register.clock.at += timedelta(hours=1)

    answer = register.optouts.withdraw([withdrawal(1, scope="dataset:d-labs"), withdrawal(2)], "registrar")

    assert answer == {"added": 2, "known": 0, "baseless": 1}
    assert register.against() == {A}


def test_people_and_objections_are_counted_by_kind(register):
    rows = [objection(1), objection(1, scope="dataset:d-labs"), objection(2, scope="purpose:statistics")]
    register.optouts.take_in([*rows, objection(3, scope="holder:h-one", since="2030-01-01")], "registrar")

    assert register.optouts.count() == {
        "persons": 2, "all": 1, "purpose": 1, "dataset": 1, "holder": 0, "on_behalf": 0, "withdrawals": 0,
    }  # fmt: skip


# ---- persons who change number


@pytest.mark.parametrize("said", [1, 2, 3])
def test_what_is_said_of_any_number_that_a_person_had_holds_for_the_person(register, said):
    register.canonical.take_in([change(2, 3), change(1, 2)], "registrar")
    register.optouts.take_in([objection(said)], "registrar")

    seen = register.optouts.look([LABS], "statistics")

    assert numbers(seen.against("d-labs")) == {C}
    assert seen.canonical == b"".join(sorted(old + blocks(3) for old in (blocks(1), blocks(2))))


def test_an_objection_under_the_old_number_is_withdrawn_under_the_new(register):
    register.canonical.take_in([change(1, 2)], "registrar")
    register.optouts.take_in([objection(1)], "registrar")
    register.optouts.withdraw([withdrawal(2)], "registrar")

    assert register.against() == set()


def test_taking_in_the_same_changes_again_changes_nothing(register):
    rows = [change(1, 2), change(2, 3), change(1, 2)]

    assert register.canonical.take_in(rows, "registrar") == {"added": 2, "known": 1}
    assert register.canonical.take_in(rows, "registrar") == {"added": 0, "known": 3}
    assert register.canonical.count() == {"pairs": 2}


IMPOSSIBLE = {
    "a number succeeds itself": ([], [change(1, 2), change(3, 3)], [("new", 2)]),
    "two successors in one file": ([], [change(1, 2), change(4, 2), change(1, 3)], [("old", 3)]),
    "another successor than before": ([change(1, 2)], [change(4, 2), change(1, 3)], [("old", 2)]),
    "a circle of two": ([], [change(3, 4), change(1, 2), change(2, 1)], [("new", 2), ("new", 3)]),
    "a circle closed by a file": ([change(1, 2), change(2, 3)], [change(4, 1), change(3, 1)], [("new", 2)]),
    "no number": ([], [change(1, 2), {"old": A, "new": "12"}], [("new", 2)]),
    "no column": ([], [{"old": A}], [("new", 1)]),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_changes_that_cannot_be_are_refused_by_row_and_nothing_is_taken_in(register, name):
    before, rows, expected = IMPOSSIBLE[name]
    if before:
        register.canonical.take_in(before, "registrar")

    with pytest.raises(Invalid) as refusal:
        register.canonical.take_in(rows, "registrar")

    assert places(refusal) == expected
    assert A not in json.dumps(refusal.value.as_dict())
    assert register.canonical.count() == {"pairs": len(before)}


# ---- one look, and what is published by it


def test_a_look_at_the_register_shows_nobody_and_tells_of_what_was_asked_for_only(register):
    register.optouts.take_in([objection(1)], "registrar")

    seen = register.optouts.look([LABS], "statistics")

    shown = f"{seen} {seen!r}"
    for secret in (seen.against("d-labs"), seen.key):
        assert secret.hex() not in shown
        assert repr(secret) not in shown
    with pytest.raises(KeyError):
        seen.against("d-deaths")


def test_an_empty_register_has_no_key_to_give(register):
    seen = register.optouts.look([LABS], "statistics")

    assert (seen.key, seen.canonical, seen.against("d-labs"), seen.fingerprint) == (b"", b"", b"", NOTHING)


CHANGES = {
    "somebody objects": lambda r: r.optouts.take_in([objection(2)], "x"),
    "somebody objects to this dataset": lambda r: r.optouts.take_in([objection(2, scope="dataset:d-labs")], "x"),
    "an objection holds earlier": lambda r: r.optouts.take_in([objection(3, since="2026-01-02")], "x"),
    "somebody withdraws": lambda r: r.optouts.withdraw([withdrawal(1)], "x"),
    "an objector changes number": lambda r: r.canonical.take_in([change(1, 4)], "x"),
    "an objector had another number": lambda r: r.canonical.take_in([change(4, 1)], "x"),
}
NO_CHANGES = {
    "an objection to something else": lambda r: r.optouts.take_in([objection(2, scope="dataset:d-deaths")], "x"),
    "an objection that does not hold yet": lambda r: r.optouts.take_in([objection(2, since="2027-01-01")], "x"),
    "the same once more": lambda r: r.optouts.take_in([objection(1, scope="dataset:d-labs")], "x"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_is_published_that_was_made_with_a_register_as_it_no_longer_is(register, name):
    register.optouts.take_in([objection(1), objection(3, since="2026-12-01")], "registrar")
    seen = register.optouts.look([LABS], "statistics")
    CHANGES[name](register)

    with pytest.raises(Unavailable), register.database.transaction() as unit:
        register.optouts.expect(unit.session, seen)
    assert not same_objectors(seen.fingerprint, register.optouts.look([LABS], "statistics").fingerprint)


@pytest.mark.parametrize("name", NO_CHANGES)
def test_what_does_not_concern_the_tables_disturbs_nothing(register, name):
    register.optouts.take_in([objection(1)], "registrar")
    seen = register.optouts.look([LABS], "statistics")
    NO_CHANGES[name](register)

    with register.database.transaction() as unit:
        register.optouts.expect(unit.session, seen)


def test_a_change_of_number_of_somebody_who_does_not_object_leaves_the_objectors_the_same(register):
    register.optouts.take_in([objection(1)], "registrar")
    seen = register.optouts.look([LABS], "statistics")
    register.canonical.take_in([change(5, 6)], "registrar")

    after = register.optouts.look([LABS], "statistics")

    assert after.fingerprint != seen.fingerprint
    assert same_objectors(after.fingerprint, seen.fingerprint)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("addition", ["somebody objects", "an objector changes number"])
def test_while_extracts_are_published_nobody_adds_to_the_register(register, addition):
    register.optouts.take_in([objection(1)], "registrar")
    seen, published, order = register.optouts.look([LABS], "statistics"), threading.Event(), []

    def adding():
        published.wait(30)
        CHANGES[addition](register)
        order.append("added")

    thread = threading.Thread(target=adding)
    thread.start()
    with register.database.transaction() as unit:
        register.optouts.expect(unit.session, seen)
        published.set()
        time.sleep(0.5)
        order.append("published")
    thread.join(30)

    assert order == ["published", "added"]


# ---- files in pieces


def fed(intake, raw, size=7):
    """Feed an import in pieces of a few bytes."""
    for start in range(0, len(raw), size):
        intake.feed(raw[start : start + size])
    return intake.finish(csv=True)


HEAD = "person_number,scope,since"


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_in_pieces_is_taken_in_whole(register, size, end):
    lines = [f"\ufeff{HEAD},by,representative", f"{A},all,2026-01-01,,", f'"{B}", "d-labs",2026-01-01,other,{C}']

    found = fed(register.optouts.intake(Act.OBJECT, "x"), end.join(lines).encode(), size)

    assert found == {"added": 2, "known": 0}
    assert register.against() == {A, B}


BAD_FILES = {
    "another head": (f"a,b,c\n{A},all,2026-01-01\n", [("columns", 1)]),
    "a column too many in the head": (f"{HEAD},name\n{A},all,2026-01-01,x\n", [("columns", 1)]),
    "nothing": ("", [("columns", 1)]),
    "no rows": (f"{HEAD}\n", [("rows", None)]),
    "a value too few": (f"{HEAD}\n{A},all\n{B},all,2026-01-01\n", [("", 2)]),
    "a value too many": (f"{HEAD}\n{A},all,2026-01-01,x\n", [("", 2)]),
    "a quote that does not end": (f'{HEAD}\n{A},all,2026-01-01\n{B},"all,2026-01-01\n', [("", 3)]),
    "two faults": (f"{HEAD}\n{A},alle,2026-01-01\n{B},all,i dag\n", [("scope", 2), ("since", 3)]),
    "a line without end": (f"{HEAD}\n" + "x" * 5000, [("", 2)]),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_cannot_be_used_is_refused_by_line_and_nothing_is_taken_in(register, name):
    raw, expected = BAD_FILES[name]

    with pytest.raises(Invalid) as refusal:
        fed(register.optouts.intake(Act.OBJECT, "x"), raw.encode(), 100)

    assert places(refusal) == expected
    assert A not in json.dumps(refusal.value.as_dict())
    assert register.against() == set()


def test_a_line_that_is_not_utf8_is_refused(register):
    with pytest.raises(Invalid) as refusal:
        fed(register.optouts.intake(Act.OBJECT, "x"), f"{HEAD}\n{A},".encode() + b"\xe5lt,2026-01-01\n")
    assert places(refusal) == [("", 2)]


def test_more_rows_than_are_allowed_are_refused_and_rows_beyond_a_chunk_are_taken_in(register, monkeypatch):
    monkeypatch.setattr(intake, "MOST_ROWS", 50)
    monkeypatch.setattr(intake, "CHUNK", 8)
    raw = "\n".join([HEAD, *(f"{number(person)},all,2026-01-01" for person in range(50))])

    assert fed(register.optouts.intake(Act.OBJECT, "x"), raw.encode(), 300) == {"added": 50, "known": 0}
    with pytest.raises(Invalid) as refusal:
        fed(register.optouts.intake(Act.OBJECT, "x"), f"{raw}\n{A},all,2026-01-02".encode(), 300)
    assert places(refusal) == [("rows", None)]
    assert register.optouts.count()["all"] == 50


def test_changed_numbers_in_a_file_are_refused_by_line(register):
    raw = f"new,old\n\n{B},{A}\n{C},{B}\n{A},{C}\n{D},{number(9)}\n"

    with pytest.raises(Invalid) as refusal:
        fed(register.canonical.intake("x"), raw.encode())

    assert places(refusal) == [("new", 3), ("new", 4), ("new", 5)]
    assert fed(register.canonical.intake("x"), f"old,new\n{A},{B}\n".encode()) == {"added": 1, "known": 0}
