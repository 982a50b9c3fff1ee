"""What is measured of an extract before it leaves, the limits that policy sets, and what would bring the risk down.

A class is the set of persons who have at least one row with the same values of all quasi-identifiers: those whom an
outsider with these values cannot tell apart. Everything is counted in persons: ten rows of one person are one person
alone. The measures are those of the field: k (Samarati & Sweeney 1998), l (Machanavajjhala et al. 2007), t (Li, Li &
Venkatasubramanian 2007), prosecutor and journalist risk (El Emam 2013). A report holds counts and shares only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hvelv.kernel.errors import _
from hvelv.privacy.domain.following import can_follow
from hvelv.privacy.domain.schema import NUMERIC, Column, Schema
from hvelv.privacy.domain.steps import (
    Bands,
    Drop,
    Round,
    SuppressRare,
    ToMonth,
    ToYear,
    Transform,
    Truncate,
)

QUASI_ROLES = frozenset({"quasi_identifier", "date"})  # a date in the data is a thing that neighbours know
LIMITS = (3, 5, 10)  # classes of fewer persons than this are counted
SIZES = (1, 2, 3, 5, 10, 20, 50, 100)  # where the bars of the picture begin
MOST_TOGETHER = 3  # quasi-identifiers looked at together


@dataclass(frozen=True)
class Policy:
    """The limits. Shares are of persons."""

    min_k: int = 5
    max_small: float = 0.05
    max_average: float = 0.1
    max_highest: float = 0.2
    min_l: int = 2
    max_t: float = 0.5
    hold: bool = False


DEFAULT_POLICY = Policy()


@dataclass(frozen=True)
class Risk:
    """Chance of finding the right person: the mean over persons, the highest, and the share above the limit."""

    average: float
    highest: float
    above: float


@dataclass(frozen=True)
class Subset:
    """How many persons are alone with their values of `columns`."""

    columns: tuple[str, ...]
    persons: int


@dataclass(frozen=True)
class Sensitive:
    """What a class gives away of a sensitive variable.

    `distinct`, `entropy`: the fewest values in a class, counted and as exp of their entropy. `closeness`: the farthest
    that a class is from the whole, 0 to 1; by order of values where `ordered`, else total variation. `exposed`: persons
    in a class where all have one value.
    """

    column: str
    ordered: bool
    distinct: int
    entropy: float
    closeness: float
    exposed: int


@dataclass(frozen=True)
class Report:
    """The risk of one extract.

    `k`: the smallest class, 0 without persons. `small`: the share of persons in classes below the policy's k. `below`:
    limit, and persons in classes of fewer. `sizes`: persons by the size of their smallest class: from, to, persons.
    """

    rows: int
    persons: int
    quasi: tuple[str, ...]
    classes: int
    k: int
    small: float
    below: tuple[tuple[int, int], ...]
    sizes: tuple[tuple[int, int | None, int], ...]
    subsets: tuple[Subset, ...]
    sensitive: tuple[Sensitive, ...]
    prosecutor: Risk
    journalist: Risk | None = None
    population: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a JSON document."""
        return asdict(self)


@dataclass(frozen=True)
class Outline:
    """The few numbers that steps are compared by: smallest class, share of persons in small ones, mean risk."""

    k: int
    small: float
    average: float


@dataclass(frozen=True)
class Finding:
    """One limit and how the extract stands to it."""

    measure: str
    value: float
    limit: float
    within: bool
    column: str = ""


MEASURES: Mapping[str, tuple[str, str]] = {
    "k": (
        _("Minste gruppe"),
        _("Så få personer er like på alle de indirekte identifiserende variablene, der det er færrest (k)."),
    ),
    "small": (
        _("Personer i små grupper"),
        _("Andelen personer som minst én gang står i en gruppe med færre personer enn grensen for k."),
    ),
    "average": (
        _("Gjennomsnittlig risiko (aktor)"),
        _("Sjansen for å peke ut rett person når man vet at vedkommende er med, i snitt over personene."),
    ),
    "journalist": (
        _("Høyeste risiko (journalist)"),
        _("Sjansen for å peke ut rett person når man ikke vet hvem i registeret som er med, der den er størst."),
    ),
    "l": (
        _("Ulike verdier i en gruppe (l)"),
        _("Er alle i en gruppe like på en sensitiv variabel, røper gruppen verdien uten at noen pekes ut."),
    ),
    "t": (
        _("Avstand fra helheten (t)"),
        _("Så mye kan en gruppe skille seg fra alle andre på en sensitiv variabel. 0 er likt, 1 er helt ulikt."),
    ),
}


def findings(report: Report, policy: Policy) -> tuple[Finding, ...]:
    """Return every limit with where the extract stands to it."""
    if report.persons == 0:
        return ()
    found = [
        Finding("k", report.k, policy.min_k, report.k >= policy.min_k),
        Finding("small", report.small, policy.max_small, report.small <= policy.max_small),
        Finding(
            "average", report.prosecutor.average, policy.max_average, report.prosecutor.average <= policy.max_average
        ),
    ]
    if report.journalist is not None:
        highest = report.journalist.highest
        found.append(Finding("journalist", highest, policy.max_highest, highest <= policy.max_highest))
    for one in report.sensitive:
        found.append(Finding("l", one.distinct, policy.min_l, one.distinct >= policy.min_l, one.column))
        found.append(Finding("t", one.closeness, policy.max_t, one.closeness <= policy.max_t, one.column))
    return tuple(found)


def is_within(outline: Outline, policy: Policy) -> bool:
    """Say whether the numbers that steps are compared by keep the limits."""
    return outline.k >= policy.min_k and stands_well(outline, policy)


def stands_well(outline: Outline, policy: Policy) -> bool:
    """Say whether few enough persons stand out, whatever the smallest class."""
    return outline.small <= policy.max_small and outline.average <= policy.max_average


def score(outline: Outline) -> float:
    """Return one number that is lower the fewer persons stand out."""
    return outline.small + outline.average


def quasi(schema: Schema) -> tuple[Column, ...]:
    """Return the columns that an outsider may know."""
    return tuple(column for column in schema.columns if column.role in QUASI_ROLES)


def sensitive(schema: Schema) -> tuple[Column, ...]:
    """Return the columns that an outsider wants to know."""
    return tuple(column for column in schema.columns if column.role == "sensitive")


def is_ordered(column: Column) -> bool:
    """Say whether a distance between two of the column's values means anything."""
    return column.type == "date" or (column.type in NUMERIC and column.categories is None)


WIDTHS = (5, 10, 20)
LENGTHS = (4, 3, 2, 1)
OTHER = "andre"


def candidates(
    column: Column, done: Sequence[Transform], policy: Policy, declared: Column | None = None
) -> tuple[Transform, ...]:
    """Return the steps worth trying on a quasi-identifier, mildest first, of those that it can be extracted with.

    `done`: its steps so far; `declared`: the source's column, where it is known.
    """
    return tuple(step for step in _steps(column, policy) if can_follow(column, done, [step], declared))


def _steps(column: Column, policy: Policy) -> Iterator[Transform]:
    if column.type == "date":
        yield ToMonth()
        yield ToYear()
    if column.type in NUMERIC and column.categories is None:
        yield from _coarser_numbers(column)
    if column.type == "string":
        longest = max((len(str(code)) for code in column.categories or ("",)), default=0) or max(LENGTHS) + 1
        yield SuppressRare(persons=max(policy.min_k, 2), instead=OTHER)
        yield from (Truncate(length=length) for length in LENGTHS if length < longest)
    yield Drop()


def _coarser_numbers(column: Column) -> Iterator[Transform]:
    if column.low is None or column.high is None:
        if column.resolution is not None:
            yield from (Round(step=float(column.resolution * width)) for width in WIDTHS)
        return
    size = float(column.resolution or 1)
    for width in WIDTHS:
        first = (int(column.low // (width * size)) + 1) * width * size
        count = int((column.high - first) // (width * size)) + 1
        edges = [first + number * width * size for number in range(max(count, 0))]
        if 1 <= len(edges) <= 100 and all(column.low <= edge <= column.high for edge in edges):  # noqa: PLR2004
            yield Bands(edges=tuple(int(e) if e == int(e) else round(e, 9) for e in edges))
