"""`hvelv users`: who can sign in. Opens the registry's database itself, so that it works when nothing runs."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from hvelv.kernel.ids import HolderId, PersonId
from hvelv.kernel.people import Person, Role
from hvelv.kernel.settings import Settings
from hvelv.operation.trouble import Trouble

if TYPE_CHECKING:
    from hvelv.kernel.database import Database
    from hvelv.kernel.people_store import People

ACTOR = "operator"
PASSWORD_BYTES = 12  # 96 bits: nobody is meant to remember it, a password manager is

app = typer.Typer(no_args_is_help=True, help="People who can sign in. Passwords and code secrets are shown once.")
Name = Annotated[str, typer.Argument(metavar="ID", help="The name they sign in with.")]


@contextmanager
def _databases() -> "Iterator[Mapping[str, Database]]":
    from hvelv.operation.domains import prepare_folders
    from hvelv.operation.opened import opened
    from hvelv.operation.running import migrate

    settings = Settings()
    prepare_folders(settings)
    migrate(settings)  # so that the first people can be added before the first start
    with opened(settings) as databases:
        yield databases


@contextmanager
def _people() -> "Iterator[People]":
    from hvelv.kernel.people_store import People

    with _databases() as databases:
        yield People(databases["registry"])


def _sign_out(registry: "Database", person: str) -> None:
    """End every session of the person in the portal."""
    from hvelv.kernel.clock import SystemClock
    from hvelv.portal.sessions import Sessions

    Sessions(registry, SystemClock(), b"").end_all(ACTOR, person)  # ending needs no key: nobody's cookie is read


def _show_once(person: str, password: str, secret: str) -> None:
    import pyotp

    address = pyotp.TOTP(secret).provisioning_uri(name=person, issuer_name="Hvelv")
    print(f"user name:            {person}")
    print(f"password:             {password}")
    print(f"one-time-code secret: {secret}")
    print(f"for an app:           {address}")
    print("They are not shown again. `hvelv users reset` makes new ones.")


@app.command()
def add(
    person: Name,
    name: Annotated[str, typer.Option(help="Their full name.")],
    role: Annotated[list[Role], typer.Option(help="May be given several times.")],
    holder: Annotated[str, typer.Option(help="The data holder that a steward acts for.")] = "",
    department: Annotated[str, typer.Option(help="For finding conflicts of interest.")] = "",
) -> None:
    """Add a person, with a new password and a new secret for one-time codes."""
    if (Role.STEWARD in role) != bool(holder):
        raise Trouble("A steward acts for exactly one data holder.", "Give --holder to a steward and to nobody else.")
    if not person.isascii() or not person.replace("-", "").replace(".", "").isalnum() or person != person.lower():
        raise Trouble("A user name is small letters, digits, - and . only.", "For example kari.nordmann")
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    made = Person(PersonId(person), name, frozenset(role), HolderId(holder) if holder else None, department)
    with _people() as people:
        secret = people.add(ACTOR, made, password)
    _show_once(person, password, secret)


@app.command("list")
def list_() -> None:
    """List everyone, also those who can no longer sign in."""
    with _people() as people:
        for one in people.all():
            roles = ",".join(sorted(one.roles)) + (f" for {one.holder}" if one.holder else "")
            print(f"{one.id:<24} {one.name:<32} {roles}" + ("" if one.active else "  (deactivated)"))


@app.command()
def deactivate(person: Name) -> None:
    """End a person's rights, in the portal and in every lab. What they did stays theirs."""
    from hvelv.kernel.clock import SystemClock
    from hvelv.kernel.people_store import People
    from hvelv.requests.adapters.store_office import SqlPermitRows
    from hvelv.requests.service.barring import BarredPeople

    with _databases() as databases:
        people = People(databases["registry"])
        known = people.get(person)
        # The lab first: stopped in between, the command is given again and does what is left.
        BarredPeople(databases["custodian"], SqlPermitRows(), SystemClock()).bar(ACTOR, known.id, "deactivated")
        people.deactivate(ACTOR, known.id)
        _sign_out(databases["registry"], known.id)
    print(f"{person} can no longer sign in. Their open rooms close within a minute.")


@app.command()
def reset(person: Name) -> None:
    """Give a person a new password and a new secret for one-time codes, and end their sessions in the portal."""
    from hvelv.kernel.people_store import People

    password = secrets.token_urlsafe(PASSWORD_BYTES)
    with _databases() as databases:
        secret = People(databases["registry"]).renew(ACTOR, person, password)
        _sign_out(databases["registry"], person)
    _show_once(person, password, secret)
