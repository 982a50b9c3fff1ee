"""Whatever people said, in whatever order and under whichever of their numbers, the register says what a plain model says."""

from datetime import UTC, date, datetime, time, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvelv.kernel.errors import Invalid
from hvelv.privacy.domain.objecting import DAY_FIELD, Act, scopes_of
from tests.builders_optouts import (
    DATASETS,
    DEATHS,
    HOLDERS,
    LABS,
    PURPOSES,
    a_register,
    blocks,
    change,
    number,
    numbers,
    objection,
    withdrawal,
)

SCOPES = [
    "all",
    *(f"purpose:{p}" for p in PURPOSES),
    *(f"dataset:{d}" for d in DATASETS),
    *(f"holder:{h}" for h in HOLDERS),
]
FIRST = date(2026, 1, 1)
PERSONS = st.integers(1, 7)
DAYS = st.integers(0, 9).map(lambda days: FIRST + timedelta(days=days))
SAID = st.lists(st.tuples(st.sampled_from(Act), PERSONS, st.sampled_from(SCOPES), DAYS), max_size=25)
PAIRS = st.lists(st.tuples(PERSONS, PERSONS), max_size=8)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def the_register(folder_factory):
    return a_register(f"sqlite:///{folder_factory.mktemp('register')}/r.sqlite")


def emptied(register):
    """Forget everything: a fresh database for each example would be most of the time."""
    with register.database.transaction() as unit:
        for table in ("privacy_objection", "privacy_canonical"):
            unit.session.connection().exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - names of ours
    return register


def one_by_one(register, pairs):
    """Take in changes of number, each alone; return those that could be."""
    kept = {}
    for old, new in pairs:
        try:
            register.canonical.take_in([change(old, new)], "x")
            kept[old] = new
        except Invalid:
            assert not possible(kept, old, new)
        else:
            assert possible({k: v for k, v in kept.items() if k != old or v != new}, old, new)
    return kept


def possible(kept, old, new):
    """Say whether a change can be added: no other successor, and the way from the new never meets the old."""
    if kept.get(old, new) != new or old == new:
        return False
    while new in kept and new != old:
        new = kept[new]
    return new != old


def person(kept, known_as):
    """Return the number at the end of the chain."""
    while known_as in kept:
        known_as = kept[known_as]
    return known_as


def objects(said, kept, who, scope, today):
    """Say whether a person objects to a scope today: what was said last, of one day the objection."""
    about = [
        (day, act is Act.OBJECT) for act, p, s, day in said if person(kept, p) == who and s == scope and day <= today
    ]
    return bool(about) and max(about)[1]


def model(said, kept, asked, purpose, today):
    """Return who is in no extract."""
    everybody = {person(kept, p) for _act, p, _scope, _day in said}
    scopes = scopes_of(asked.dataset, asked.holder, purpose)
    return {number(who) for who in everybody if any(objects(said, kept, who, scope, today) for scope in scopes)}


@MANY
@given(said=SAID, pairs=PAIRS, order=st.randoms(use_true_random=False), today=DAYS, purpose=st.sampled_from(PURPOSES))
def test_against_is_what_a_plain_model_says(tmp_path_factory, *, said, pairs, order, today, purpose):
    register = emptied(_shared(tmp_path_factory))
    kept = one_by_one(register, pairs)
    shuffled = [*said, *said[:3]]
    order.shuffle(shuffled)
    for act, who, scope, day in shuffled:
        row = {"scope": scope, DAY_FIELD[act]: day.isoformat()}
        if act is Act.OBJECT:
            register.optouts.take_in([objection(who, **row)], "x")
        else:
            register.optouts.withdraw([withdrawal(who, **row)], "x")
    register.clock.at = datetime.combine(
        today, time(12), UTC
    )  # the day has begun everywhere, and the next one somewhere
    today_first = today + timedelta(days=1)

    seen = register.optouts.look([LABS, DEATHS], purpose)

    for asked in (LABS, DEATHS):
        held = [(a, p, s, d) for a, p, s, d in said if d <= (today_first if a is Act.OBJECT else today)]
        found = seen.against(asked.dataset)
        assert numbers(found) == model(held, kept, asked, purpose, today_first)
        parts = [found[i : i + 16] for i in range(0, len(found), 16)]
        assert parts == sorted(set(parts))
    chained = {blocks(old): blocks(person(kept, old)) for old in kept}
    assert seen.canonical == b"".join(old + chained[old] for old in sorted(chained))


@MANY
@given(pairs=PAIRS)
def test_a_file_of_changes_is_taken_in_whole_exactly_where_each_of_them_could_be(tmp_path_factory, pairs):
    register = emptied(_shared(tmp_path_factory))
    kept, fits = {}, True
    for old, new in pairs:
        fits = fits and possible(kept, old, new)
        kept[old] = new

    try:
        register.canonical.take_in([change(old, new) for old, new in pairs], "x")
        taken = True
    except Invalid:
        taken = False

    assert taken is (fits and bool(pairs))
    assert register.canonical.count() == {"pairs": len(set(pairs)) if taken else 0}


_REGISTERS = []


def _shared(tmp_path_factory):
    if not _REGISTERS:
        _REGISTERS.append(the_register(tmp_path_factory))
    return _REGISTERS[0]
