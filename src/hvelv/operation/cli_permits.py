"""`hvelv permits`: what is in force, and ending it. Asks the running custodian; the registry's copy follows."""

from typing import Annotated

import typer

from hvelv.kernel.ids import ProjectId
from hvelv.kernel.link import Link
from hvelv.kernel.settings import Settings
from hvelv.operation.trouble import Trouble
from hvelv.requests.domain.permit import PermitAction

ACTOR = "operator"

app = typer.Typer(no_args_is_help=True, help="Data permits. The platform has to be running.")
Project = Annotated[str, typer.Argument(metavar="PROJECT", help="The project's id, as `hvelv permits list` shows it.")]
Reason = Annotated[str, typer.Option(help="Kept in the audit trail.")]


@app.command("list")
def list_() -> None:
    """List every permit and the state it is in."""
    for one in Link(Settings().custodian_socket("portal")).call("GET", "/permits", actor=ACTOR):
        print(f"{one['project']:<14} {one['state']:<10} until {one['valid_until']}  {one['title']}")


@app.command()
def suspend(project: Project, reason: Reason) -> None:
    """Close the project's rooms for now. Data and budget stay."""
    change(Settings(), project, PermitAction.SUSPEND, reason)


@app.command()
def resume(project: Project, reason: Reason) -> None:
    """Open a suspended project again."""
    change(Settings(), project, PermitAction.RESUME, reason)


@app.command()
def revoke(project: Project, reason: Reason) -> None:
    """End the project and destroy its key. Cannot be undone."""
    change(Settings(), project, PermitAction.REVOKE, reason)


@app.command()
def close(project: Project, reason: Reason) -> None:
    """End a project that is done and destroy its key. Cannot be undone."""
    change(Settings(), project, PermitAction.CLOSE, reason)


def change(settings: Settings, project: str, action: PermitAction, reason: str) -> None:
    """Have the custodian change the permit, and write the state down in the registry. Raises `Trouble`, `Refusal`."""
    from hvelv.operation.opened import opened
    from hvelv.requests.adapters.custodian import LinkedOffice
    from hvelv.requests.adapters.store_projects import SqlProjectRows
    from hvelv.requests.service.projects import Projects

    if not reason.strip():
        raise Trouble("A reason is needed.", "Give it with --reason.")
    office = LinkedOffice(Link(settings.custodian_socket("portal")))
    with opened(settings) as databases:
        state = office.change(ACTOR, ProjectId(project), action, reason)
        Projects(databases["registry"], SqlProjectRows(), office).follow(ACTOR, project, action, state, reason)
    print(f"{project}: {state}")
