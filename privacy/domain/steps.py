"""The steps that a variable can go through on its way into an extract, as data. What each does is `transforms`' matter.

A step that exists has the right form; whether it fits a variable is not known here.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from hvelv.kernel.canonical import canonical
from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.privacy.domain.closed import Closed, Number
from hvelv.privacy.domain.documents import refused

MOST_STEPS = 12
MOST_EDGES = 101
MOST_CODES = 5000
MOST_DAYS = 365
MOST_LISTED = 8
MOST_PERSONS = 1000
LONGEST_CODE = 100
LARGEST = 512 * 1024  # bytes; a code list of MOST_CODES fits

Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_CODE, pattern=r"^[^\x00-\x1f\x7f]+$")]


def _pairs(value: Any) -> Any:
    """Return a code list as pairs in the order of their codes, so that one list has one form."""
    return tuple(sorted(value.items())) if isinstance(value, Mapping) else value


class Keep(Closed):
    """As it is."""

    kind: Literal["keep"] = "keep"


class Drop(Closed):
    """Not at all. Nothing may come after it."""

    kind: Literal["drop"] = "drop"


class ToYear(Closed):
    """A date as its year, a whole number."""

    kind: Literal["year"] = "year"


class ToMonth(Closed):
    """A date as the first of its month."""

    kind: Literal["month"] = "month"


class ShiftDate(Closed):
    """A date moved by at most `days`: by equally much for all of a person's dates in the project, secretly."""

    kind: Literal["shift"] = "shift"
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)]


class Bands(Closed):
    """A number as the band it is in. Each edge begins a band; the last is open upwards."""

    kind: Literal["bands"] = "bands"
    edges: Annotated[tuple[Number, ...], Field(min_length=1, max_length=MOST_EDGES)]


class Clip(Closed):
    """A number below `low` becomes `low`, one above `high` becomes `high`."""

    kind: Literal["clip"] = "clip"
    low: Number | None = None
    high: Number | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "Clip":
        if (self.low is None and self.high is None) or (
            self.low is not None and self.high is not None and self.low > self.high
        ):
            raise ValueError("bounds")
        return self


class Truncate(Closed):
    """A code as its first `length` characters."""

    kind: Literal["truncate"] = "truncate"
    length: Annotated[int, Field(ge=1, le=LONGEST_CODE)]


class SuppressRare(Closed):
    """A code that fewer than `persons` persons have in the extract becomes `instead`. The last step; no query may use the column."""

    kind: Literal["suppress"] = "suppress"
    persons: Annotated[int, Field(ge=2, le=MOST_PERSONS)]
    instead: Text | int


class Coarsen(Closed):
    """A code as the one that a list puts in its place; `otherwise` for codes that are not in the list."""

    kind: Literal["coarsen"] = "coarsen"
    codes: Annotated[
        tuple[tuple[Text, Text], ...],
        Field(min_length=1, max_length=MOST_CODES),
        BeforeValidator(_pairs),
        PlainSerializer(dict, return_type=dict[str, str]),
    ]
    otherwise: Text


class HashCode(Closed):
    """A code as 20 characters that mean nothing outside the project: the same for the same code within it."""

    kind: Literal["hash"] = "hash"


class Round(Closed):
    """A number as the nearest whole number of `step`s."""

    kind: Literal["round"] = "round"
    step: Annotated[Number, Field(gt=0)]


Transform = (
    Keep | Drop | ToYear | ToMonth | ShiftDate | Bands | Clip | Truncate | SuppressRare | Coarsen | HashCode | Round
)
KINDS: Mapping[str, type[Transform]] = {
    model.model_fields["kind"].default: model
    for model in (
        Keep,
        Drop,
        ToYear,
        ToMonth,
        ShiftDate,
        Bands,
        Clip,
        Truncate,
        SuppressRare,
        Coarsen,
        HashCode,
        Round,
    )
}
_STEP = Annotated[
    Union[  # noqa: UP007 - pydantic's discriminator
        Keep, Drop, ToYear, ToMonth, ShiftDate, Bands, Clip, Truncate, SuppressRare, Coarsen, HashCode, Round
    ],
    Field(discriminator="kind"),
]
_STEPS: TypeAdapter[tuple[Transform, ...]] = TypeAdapter(Annotated[tuple[_STEP, ...], Field(max_length=MOST_STEPS)])
_FIELDS = frozenset(name for model in KINDS.values() for name in model.model_fields)

NOTES: Mapping[str, str] = {
    "keep": _("Utleveres som den er."),
    "drop": _("Utleveres ikke."),
    "year": _("Bare årstallet utleveres."),
    "month": _("Bare år og måned utleveres: datoen er satt til den første i måneden."),
    "shift": _("Datoen er flyttet inntil {days} dager, like mye for alle datoene til en person i prosjektet."),
    "bands": _("Tallet er gjort om til grupper, med grenser ved {edges}."),
    "clip": _("Tall utenfor {low} til {high} er satt til grensen."),
    "truncate": _("Bare de {length} første tegnene i koden utleveres."),
    "suppress": _(
        "Koder som færre enn {persons} personer har, er byttet ut med «{instead}». Variabelen kan ikke brukes i spørringer."
    ),
    "coarsen": _("Koden er byttet ut med en grovere kode: {count} i stedet for {codes}."),
    "hash": _("Koden er byttet ut med et merke som bare har mening i prosjektet. Like koder har likt merke."),
    "round": _("Tallet er rundet av til nærmeste hele {step}."),
}
MESSAGES: Mapping[str, str] = {
    "missing": _("Feltet mangler."),
    "extra_forbidden": _("Feltet hører ikke til dette trinnet."),
    "too_long": _("Det er for mange verdier her."),
    "too_short": _("Det er for få verdier her."),
    "greater_than": _("Tallet er for lite."),
    "greater_than_equal": _("Tallet er for lite."),
    "less_than_equal": _("Tallet er for stort."),
    "union_tag_invalid": _("Et slikt trinn finnes ikke."),
    "union_tag_not_found": _("Trinnet sier ikke hva det er («kind»)."),
}
OTHERWISE = _("Feltet har en verdi som ikke kan brukes.")


def _place(location: tuple[int | str, ...]) -> str:
    """Return where the fault is, in numbers and names of fields only: the sender's own words are not repeated."""
    return ".".join(str(part) for part in location if isinstance(part, int) or part in _FIELDS)


def transforms_from(document: object) -> tuple[Transform, ...]:
    """Return the steps in `document`, a JSON list of objects. Raises `Invalid` with the field of each fault."""
    try:
        raw = canonical(document)
    except (ValueError, TypeError, RecursionError):
        raise refused("transforms") from None
    if len(raw) > LARGEST:
        raise refused("transforms")
    try:
        return _STEPS.validate_json(raw, strict=True)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)[:20]
        problems = tuple(Problem(MESSAGES.get(f["type"], OTHERWISE), _place(f["loc"])) for f in faults)
        raise Invalid(problems, _("Trinnene kan ikke brukes slik de er.")) from None


def as_documents(steps: Sequence[Transform]) -> list[dict[str, Any]]:
    """Return the JSON form; `transforms_from` of it gives equal steps."""
    return [step.model_dump(mode="json", exclude_none=True) for step in steps]


def note(step: Transform) -> str:
    """Return the disclosure note: a sentence to translate, to be filled in with `note_params`."""
    if isinstance(step, Clip) and step.low is None:
        return _("Tall over {high} er satt til grensen.")
    if isinstance(step, Clip) and step.high is None:
        return _("Tall under {low} er satt til grensen.")
    return NOTES[step.kind]


def note_params(step: Transform) -> dict[str, object]:
    """Return what the note is filled in with: numbers and public codes."""
    if isinstance(step, Bands):
        return {"edges": _listed([str(edge) for edge in step.edges])}
    if isinstance(step, Coarsen):
        return {"count": len({*(to for _code, to in step.codes), step.otherwise}), "codes": len(step.codes)}
    return step.model_dump(exclude={"kind"})


def _listed(words: Sequence[str]) -> str:
    """Return a list to be read, a long one by its beginning and its end."""
    return ", ".join(words) if len(words) <= MOST_LISTED else f"{', '.join(words[:3])} … {words[-1]}"


def combined(*groups: Sequence[Transform]) -> tuple[Transform, ...]:
    """Return the steps of all groups in one row: the steward's, then the permit's, then those of a go-ahead.

    Suppression counts persons in what leaves, so it is moved to the end; of several, the strictest number holds.
    Nothing is left to be done with what is dropped.
    """
    steps = [step for group in groups for step in group]
    if dropped := [place for place, step in enumerate(steps) if isinstance(step, Drop)]:
        return (steps[dropped[0]],)
    rare = [step for step in steps if isinstance(step, SuppressRare)]
    others = [step for step in steps if not isinstance(step, SuppressRare)]
    if not rare:
        return tuple(others)
    return (*others, rare[-1].model_copy(update={"persons": max(step.persons for step in rare)}))
