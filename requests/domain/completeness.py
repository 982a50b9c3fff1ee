"""What a draft lacks before it can be submitted: one problem for each answer to mend."""

from collections.abc import Iterator, Mapping
from datetime import date

from hvelv.catalog.domain.dataset import Dataset
from hvelv.catalog.domain.variable import Variable
from hvelv.catalog.domain.words import NUMERIC, ValueType
from hvelv.kernel.errors import Problem, _
from hvelv.kernel.ids import DatasetId, PersonId
from hvelv.kernel.people import Person, Role
from hvelv.requests.domain.draft import MOST_FILTERS, OPERATORS, SUMMARY_LENGTH, Draft, Filter, Purpose, Wish
from hvelv.requests.domain.forms import forms_hold

LONGEST = {"title": 200, "legal_basis": 2000, "summary": 5000}
LONGEST_PERIOD = 10 * 366  # days
MOST_MEMBERS, MOST_WISHES = 100, 30
MOST_VALUES = 200  # in one `in` filter
ORDERED = frozenset({"<", "<=", ">", ">="})
PYTHON_TYPES: Mapping[ValueType, tuple[type, ...]] = {
    ValueType.STRING: (str,),
    ValueType.INTEGER: (int,),
    ValueType.DECIMAL: (int, float),
    ValueType.DATE: (str,),
    ValueType.BOOLEAN: (bool,),
}


def missing(
    draft: Draft,
    *,
    lead: PersonId,
    datasets: Mapping[DatasetId, Dataset],
    people: Mapping[PersonId, Person],
    today: date,
) -> tuple[Problem, ...]:
    """Return what must be mended. `field` is the answer's name, or `wishes.<dataset>.<part>` for data wanted."""
    return (*_texts(draft), *_members(draft, lead, people), *_period(draft, today), *_wishes(draft, datasets))


def _texts(draft: Draft) -> Iterator[Problem]:
    if not draft.title.strip():
        yield Problem(_("Prosjektet mangler tittel."), "title")
    if draft.purpose not in set(Purpose):
        yield Problem(_("Velg et formål etter EHDS artikkel 53."), "purpose")
    if not draft.legal_basis.strip():
        yield Problem(_("Behandlingsgrunnlaget mangler."), "legal_basis")
    length = len(draft.summary.strip())
    if length < SUMMARY_LENGTH:
        said = _("Sammendraget for innbyggere har {length} tegn og må ha minst {least}.")
        yield Problem(said, "summary", params={"length": length, "least": SUMMARY_LENGTH})
    for name, most in LONGEST.items():
        if len(getattr(draft, name)) > most:
            yield Problem(_("Teksten er lengre enn {most} tegn."), name, params={"most": most})


def _members(draft: Draft, lead: PersonId, people: Mapping[PersonId, Person]) -> Iterator[Problem]:
    if len(draft.members) > MOST_MEMBERS:
        yield Problem(_("Et prosjekt har høyst {most} medlemmer."), "members", params={"most": MOST_MEMBERS})
    for number, member in enumerate(draft.members, 1):
        person = people.get(member)
        if member == lead:
            yield Problem(_("Den som leder prosjektet, er med uten å stå i listen."), "members")
        elif person is None or not person.is_(Role.RESEARCHER):
            said = _("Medlem nummer {number} finnes ikke eller er ikke forsker her.")
            yield Problem(said, "members", params={"number": number})
    if len(set(draft.members)) != len(draft.members):
        yield Problem(_("Samme medlem står to ganger."), "members")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _period(draft: Draft, today: date) -> Iterator[Problem]:
    first, last = _day(draft.period_from), _day(draft.period_to)
    if first is None:
        yield Problem(_("Oppgi første dag i perioden (ÅÅÅÅ-MM-DD)."), "period_from")
    if last is None:
        yield Problem(_("Oppgi siste dag i perioden (ÅÅÅÅ-MM-DD)."), "period_to")
    elif last < today:
        yield Problem(_("Siste dag i perioden er passert."), "period_to")
    if first and last and first > last:
        yield Problem(_("Perioden slutter før den begynner."), "period_to")
    elif first and last and (last - first).days > LONGEST_PERIOD:
        yield Problem(_("En tillatelse gjelder i høyst ti år (EHDS artikkel 68)."), "period_to")


def _wishes(draft: Draft, datasets: Mapping[DatasetId, Dataset]) -> Iterator[Problem]:
    if not draft.wishes:
        yield Problem(_("Velg minst én variabel i katalogen."), "wishes")
    if len(draft.wishes) > MOST_WISHES:
        yield Problem(_("En søknad har høyst {most} datasett."), "wishes", params={"most": MOST_WISHES})
    seen: set[str] = set()
    for wish in draft.wishes:
        place = f"wishes.{wish.dataset}"
        dataset = datasets.get(wish.dataset)
        if dataset is None:
            yield Problem(_("Datasettet finnes ikke i katalogen."), place)
            continue
        if wish.dataset in seen:
            yield Problem(_("Datasettet står to ganger."), place)
        seen.add(wish.dataset)
        yield from _wish(wish, {v.name: v for v in dataset.variables}, place)
        if not forms_hold(wish, dataset.declaration):
            said = _("En valgt variabel utleveres ikke, eller ikke i den formen som er valgt.")
            yield Problem(said, f"{place}.columns")


def _wish(wish: Wish, variables: Mapping[str, Variable], place: str) -> Iterator[Problem]:
    if not wish.columns:
        yield Problem(_("Velg minst én variabel fra datasettet."), f"{place}.columns")
    if any(name not in variables for name in wish.columns) or len(set(wish.columns)) != len(wish.columns):
        yield Problem(_("En valgt variabel finnes ikke i datasettet, eller er valgt to ganger."), f"{place}.columns")
    if any(variables[name].identifying for name in wish.columns if name in variables):
        yield Problem(_("Variabler som peker rett på en person, utleveres aldri."), f"{place}.columns")
    if wish.rho_micro <= 0:
        yield Problem(_("Oppgi hvor mye personvernbudsjett prosjektet trenger."), f"{place}.rho_micro")
    if len(wish.where) > MOST_FILTERS:
        yield Problem(_("Et utvalg har høyst {most} vilkår."), f"{place}.where", params={"most": MOST_FILTERS})
    if any(not filter_holds(condition, variables.get(condition.column)) for condition in wish.where):
        yield Problem(_("Et vilkår gjelder en ukjent variabel, eller verdien passer ikke til den."), f"{place}.where")


def filter_holds(condition: Filter, variable: Variable | None) -> bool:
    """Say whether a condition can be asked of a variable: it is known, not identifying, and the values have its type."""
    if variable is None or variable.identifying or condition.op not in OPERATORS:
        return False
    many = isinstance(condition.value, tuple)
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    if many != (condition.op == "in") or not values or len(values) > MOST_VALUES:
        return False
    if condition.op in ORDERED and variable.type not in NUMERIC | {ValueType.DATE}:
        return False
    if variable.type is not ValueType.BOOLEAN and any(isinstance(v, bool) for v in values):
        return False
    if variable.type is ValueType.DATE and any(_day(str(v)) is None for v in values):
        return False
    return all(isinstance(v, PYTHON_TYPES[variable.type]) for v in values)
