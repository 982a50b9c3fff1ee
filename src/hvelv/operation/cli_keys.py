"""`hvelv keys`: what keys there are, renewing what wraps them, and certificates. Works whether or not the platform runs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from hvelv.kernel.settings import Settings

ACTOR = "operator"

app = typer.Typer(no_args_is_help=True, help="Keys of projects: names and certificates, never key material.")


@app.command("list")
def list_() -> None:
    """List the names of all keys, with version, when they were made, and when destroyed."""
    with _desk(Settings()) as desk:
        for kept in desk.keys.listed():
            end = f"destroyed {kept.destroyed:%Y-%m-%d %H:%M}" if kept.destroyed else "in use"
            print(f"{kept.name:<32} version {kept.version}  made {kept.made:%Y-%m-%d %H:%M}  {end}")


@app.command()
def rotate() -> None:
    """Renew the key-encryption key. Back the new one up afterwards; the platform may run meanwhile."""
    with _desk(Settings()) as desk:
        moved = desk.keys.rotate(ACTOR)
        desk.destructions.finish()
    print(f"The key-encryption key is renewed; {moved} keys were wrapped anew. Back it up again (docs/operating.md).")


@app.command()
def finish() -> None:
    """Finish destructions that were begun, and reach copies that could not be reached. The platform does it by itself."""
    with _desk(Settings()) as desk:
        print(f"{desk.destructions.finish()} certificates made")


@app.command()
def certificate(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="The project's id.")],
    *,
    verify: Annotated[bool, typer.Option("--verify", help="Check the signature; exit code 1 when it fails.")] = False,
) -> None:
    """Print the certificates of the destruction of a project's keys, the oldest first."""
    from hvelv.kernel.signing import Verifier
    from hvelv.privacy.service.destructions import verified

    settings = Settings()
    with _desk(settings) as desk:
        for one in desk.destructions.certificates(project):
            if verify:
                verified(one, Verifier.load(settings.public_key))
            print(json.dumps(one.signed.as_dict(), ensure_ascii=False, indent=2, sort_keys=True))
            if verify:
                print(f"certificate {one.number}: ok, sha256 {one.hash}")


class _Desk:
    """The services of keys alone, on the installation's own database and key custodian."""

    def __init__(self, settings: Settings) -> None:
        from hvelv.kernel.clock import SystemClock
        from hvelv.kernel.database import custodian
        from hvelv.kernel.signing import Signer
        from hvelv.privacy.adapters.custodians import key_custodian
        from hvelv.privacy.adapters.key_rows import SqlDestructions, SqlKeys
        from hvelv.privacy.service.destructions import Destructions
        from hvelv.privacy.service.keys import Keys

        clock = SystemClock()
        self.database = custodian(settings.custodian_url, clock=clock)
        keeper = key_custodian(settings, clock, self.database)
        signer = Signer.load(settings.secrets_dir("custodian") / "signing.pem")
        self.keys = Keys(self.database, SqlKeys(), keeper, clock)
        self.destructions = Destructions(self.database, SqlDestructions(), keeper, signer, clock)


@contextmanager
def _desk(settings: Settings) -> Iterator[_Desk]:
    from hvelv.operation.opened import opened
    from hvelv.operation.trouble import Trouble

    with opened(settings):  # says in a sentence what is missing of the databases
        pass
    try:
        desk = _Desk(settings)
    except FileNotFoundError as error:
        raise Trouble(f"The secret {error.filename} is missing.", "Start with `hvelv up`, or restore it.") from None
    try:
        yield desk
    finally:
        desk.database.close()
