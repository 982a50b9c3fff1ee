"""Leading a few pseudonyms back to people, on the portal: asked for, approved by two, shown once to the steward."""

from collections.abc import Iterable
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from hvelv.kernel.errors import Denied, Invalid, Problem, Refusal, _
from hvelv.kernel.people import Person, Role
from hvelv.kernel.web import PageShell, Shell, SignedIn
from hvelv.privacy.domain.reidentification import MOST_PSEUDONYMS, MOST_REQUESTS, REASON_NAMES, WINDOW, Side
from hvelv.privacy.pages.stewards import titles

router = APIRouter()
PATH = "/reidentification"
ROLE_OF = {Side.STEWARD: Role.STEWARD, Side.ETHICS: Role.ETHICS}


class Custodian(Protocol):
    """The link to the custodian's door."""

    def call(self, method: str, path: str, *, actor: str = "", json: Any = None) -> Any:
        """Ask and return the answer. Raises the custodian's refusal."""
        ...


class Projects(Protocol):
    """The projects that a person may know of."""

    def of(self, person: Person) -> Iterable[Any]:
        """Return them, each with its permit."""
        ...

    def takes_part(self, person: Person, project: str) -> bool:
        """Say whether the permit names the person."""
        ...


def _custodian(request: Request) -> Custodian:
    found: Custodian = request.app.state.custodian
    return found


Door = Annotated[Custodian, Depends(_custodian)]
Text = Annotated[str, Form()]


@router.get(PATH)
def cases(request: Request, person: SignedIn, shell: PageShell, door: Door) -> Response:
    """Show the requests that are the reader's to see, and a form for those who are in a project."""
    return _page(request, person, shell, door)


@router.post(PATH)
def ask(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    door: Door,
    *,
    place: Text = "",
    reason: Text = "",
    text: Text = "",
    pseudonyms: Text = "",
) -> Response:
    """Ask for people to be found: `place` is project and dataset, `pseudonyms` one on each line."""
    project, _slash, dataset = place.partition("/")
    body = {"project": project, "dataset": dataset, "reason": reason, "text": text, "pseudonyms": pseudonyms.split()}
    try:
        _must_be_in(_places(request, person), project, dataset)
        door.call("POST", "/reidentifications", actor=person.id, json=body)
    except Invalid as refusal:
        typed = {"place": place, "reason": reason, "text": text, "pseudonyms": pseudonyms}
        return _page(request, person, shell, door, problems=refusal.problems, typed=typed)
    return shell.back(request, PATH, _("Forespørselen er sendt til datainnehaveren og komiteen."))


@router.post(PATH + "/{case_id}/approve")
def approve(
    request: Request, person: SignedIn, shell: PageShell, door: Door, *, case_id: str, side: Text = ""
) -> Response:
    """Approve for one side."""
    _asked(door, person, case_id, "approve", side)
    return shell.back(request, PATH, _("Godkjenningen er registrert."))


@router.post(PATH + "/{case_id}/refuse")
def refuse(
    request: Request, person: SignedIn, shell: PageShell, door: Door, *, case_id: str, side: Text = ""
) -> Response:
    """Refuse for one side."""
    _asked(door, person, case_id, "refuse", side)
    return shell.back(request, PATH, _("Avslaget er registrert."))


@router.post(PATH + "/{case_id}/withdraw")
def withdraw(request: Request, person: SignedIn, shell: PageShell, door: Door, case_id: str) -> Response:
    """Take it back."""
    door.call("POST", f"/reidentifications/{_id(case_id)}/withdraw", actor=person.id)
    return shell.back(request, PATH, _("Forespørselen er trukket."))


@router.post(PATH + "/{case_id}/execute")
def execute(request: Request, person: SignedIn, shell: PageShell, door: Door, case_id: str) -> Response:
    """Show the steward who it is: in this answer and nowhere else."""
    answer = _asked(door, person, case_id, "execute", Side.STEWARD)
    return shell.page(request, "reidentification_found.html", persons=answer["persons"])


def _asked(door: Custodian, person: Person, case_id: str, what: str, side: str) -> Any:
    if side not in list(Side) or not person.is_(ROLE_OF[Side(side)]):
        raise Denied(_("Du kan ikke avgjøre dette på vegne av den siden."), code="other-side")
    body = {"side": side, "holder": (person.holder or "") if side == Side.STEWARD else ""}
    return door.call("POST", f"/reidentifications/{_id(case_id)}/{what}", actor=person.id, json=body)


def _id(case_id: str) -> str:
    return "".join(letter for letter in case_id if letter.isascii() and (letter.isalnum() or letter == "-")) or "-"


def _page(
    request: Request,
    person: Person,
    shell: Shell,
    door: Custodian,
    *,
    problems: tuple[Problem, ...] = (),
    typed: dict[str, str] | None = None,
) -> Response:
    projects: Projects = request.app.state.projects
    silent: list[Refusal] = []
    try:
        found = [
            one for one in door.call("GET", "/reidentifications", actor=person.id) or () if _sees(projects, person, one)
        ]
    except Refusal as refusal:
        silent, found = [refusal], []
    return shell.page(
        request,
        "reidentification.html",
        status=422 if problems else 200,
        cases=[one | {"ways": _ways(projects, person, one)} for one in found],
        places=_places(request, person),
        reasons=REASON_NAMES,
        most=MOST_PSEUDONYMS,
        times=MOST_REQUESTS,
        days=WINDOW.days,
        titles=titles(request, person),
        silent=silent,
        problems=problems,
        typed=typed or {},
    )


def _sees(projects: Projects, person: Person, case: dict[str, Any]) -> bool:
    if person.is_(Role.AUDITOR) or person.is_(Role.ETHICS):
        return True
    if person.is_(Role.STEWARD) and case["holder"] == person.holder:
        return True
    return projects.takes_part(person, case["project"])


def _ways(projects: Projects, person: Person, case: dict[str, Any]) -> list[str]:
    """Return what the reader can do to a request; the custodian judges again."""
    if case["over"]:
        return []
    if case["requester"] == person.id:
        return ["withdraw"]
    if projects.takes_part(person, case["project"]):
        return []
    ways = []
    if person.is_(Role.STEWARD) and case["holder"] == person.holder:
        ways += [] if case["steward"] else ["steward"]
        ways += ["execute"] if case["state"] == "approved" and case["steward"] == person.id else []
    if person.is_(Role.ETHICS) and not case["ethics"] and case["steward"] != person.id:
        ways.append("ethics")
    return ways


def _must_be_in(places: list[dict[str, Any]], project: str, dataset: str) -> None:
    if (project, dataset) not in {(one["project"], one["dataset"]) for one in places}:
        raise Invalid((Problem(_("Velg prosjekt og datasett."), "place"),))


def _places(request: Request, person: Person) -> list[dict[str, Any]]:
    """Return the datasets of the projects that the person is in."""
    projects: Projects = request.app.state.projects
    return [
        {"project": str(project.id), "title": project.title, "dataset": str(entry.dataset), "table": entry.table}
        for project in projects.of(person)
        if projects.takes_part(person, project.id)
        for entry in project.permit.datasets
    ]
