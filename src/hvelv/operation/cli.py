"""The `hvelv` command."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from hvelv.kernel.errors import Refusal
from hvelv.kernel.settings import Settings
from hvelv.operation import (
    cli_audit,
    cli_canonical,
    cli_demo,
    cli_keys,
    cli_optouts,
    cli_permits,
    cli_sample,
    cli_users,
    cli_workspaces,
)
from hvelv.operation.environment import CONFIDENTIAL
from hvelv.operation.trouble import Trouble

NOTHING_RUNS = 3  # as `systemctl status` answers
WATCH_SECONDS = 1.0
COLOURS = {"ok": "green", "warning": "yellow", "missing": "red"}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Hvelv: a secure research enclave for health data. Settings: docs/settings.md. Running it: docs/operating.md.",
)
app.add_typer(cli_users.app, name="users")
app.add_typer(cli_permits.app, name="permits")
app.add_typer(cli_optouts.app, name="optouts")
app.add_typer(cli_canonical.app, name="canonical")
app.add_typer(cli_keys.app, name="keys")
app.add_typer(cli_workspaces.app, name="workspaces")
app.add_typer(cli_audit.app, name="audit")
app.add_typer(cli_demo.app, name="demo")
app.add_typer(cli_sample.app, name="sample")
console = Console(soft_wrap=True, highlight=False)


def say(text: str) -> None:
    """Print a line without reading markup into it."""
    console.print(text, markup=False)


@app.command()
def up(
    *,
    foreground: Annotated[bool, typer.Option(help="Stay until interrupted, then stop everything.")] = False,
    only: Annotated[str, typer.Option(help="Start only these processes (comma-separated) and what they need.")] = "",
) -> None:
    """Start everything and return when all of it answers."""
    from hvelv.operation import running

    settings = Settings()
    names = tuple(name.strip() for name in only.split(",") if name.strip())
    if foreground:  # a signal while starting stops what was started, too
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not running.up(settings, names, say):
        say("It runs already. `hvelv status` shows what, `hvelv down` stops it.")
        return
    if not only:
        say(f"\nThe portal: {settings.portal_url}\nStop it with `hvelv down`.")
    if foreground:
        _stay(settings)


def _stay(settings: Settings) -> None:
    from hvelv.operation import running

    try:
        while running.status(settings, ask=False) is not None:
            time.sleep(WATCH_SECONDS)
        raise Trouble("The process manager ended.", "See supervisord.log in the logs folder, and start again.")
    except KeyboardInterrupt:
        say("Stopping.")
    finally:
        running.down(settings)


@app.command()
def down() -> None:
    """Stop everything, within ten seconds, and leave nothing behind."""
    from hvelv.operation import running

    settings = Settings()
    began = time.monotonic()
    ran = running.status(settings, ask=False) is not None
    killed = running.down(settings)
    if not ran and not killed:
        say("Nothing ran.")
        return
    say(f"Stopped in {time.monotonic() - began:.1f} s." + (f" {len(killed)} had to be killed." if killed else ""))


@app.command()
def status() -> None:
    """Show the processes; exit code 3 when nothing runs, 1 when something does not answer."""
    from hvelv.operation import running

    lines = running.status(Settings())
    if lines is None:
        say("Nothing runs. Start it with `hvelv up`.")
        raise typer.Exit(NOTHING_RUNS)
    rows = [
        (one.name, one.state, str(one.pid or ""), str(timedelta(seconds=one.seconds)), one.address) for one in lines
    ]
    _table(("process", "state", "pid", "up", "address"), rows)
    if any(one.state != "running" for one in lines):
        raise typer.Exit(1)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*head, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console.print(table)


@app.command()
def doctor() -> None:
    """Show what this machine lacks, why it matters and what mends it; exit code 1 when the platform cannot run."""
    from hvelv.operation.doctor import Grade, examine

    findings = list(examine(Settings()))
    for one in findings:
        console.print(f"[{COLOURS[one.grade]}]{one.grade:<8}[/] ", end="")
        say(one.what + (f": {one.found}" if one.found else ""))
        if one.grade is not Grade.OK:
            say(f"         {one.why}\n         mend it: {one.remedy}")
    if any(one.grade is Grade.MISSING for one in findings):
        raise typer.Exit(1)


@app.command()
def settings() -> None:
    """Print the settings in force, without passwords."""
    present = Settings()
    for name in Settings.model_fields:
        value = getattr(present, name)
        shown = "(set)" if name in CONFIDENTIAL and value else value
        say(f"HVELV_{name.upper()}={shown}")


@app.command()
def migrate() -> None:
    """Bring both databases to this version's tables. `up` does it by itself."""
    from hvelv.operation import running
    from hvelv.operation.domains import prepare_folders

    present = Settings()
    prepare_folders(present)
    running.migrate(present)
    say("Both databases are current.")


@app.command(hidden=True)
def run(name: str) -> None:
    """Run one process in the foreground, without supervision."""
    from hvelv.operation import run as process
    from hvelv.operation.processes import BY_NAME

    if name not in BY_NAME:
        raise Trouble(f"There is no process {name}.", f"The processes are {', '.join(BY_NAME)}.")
    process.run(name, Settings())


def main() -> None:
    """Run the command; what cannot be done is told in a sentence and exits with 1."""
    os.umask(0o077)
    try:
        app()
    except Trouble as trouble:
        _fail(trouble.message, trouble.remedy)
    except Refusal as refusal:
        _fail(str(refusal), refusal.remedy)
    except ValidationError as error:
        _fail("The settings cannot be used:\n" + "\n".join(_wrong(e["loc"], e["msg"]) for e in error.errors()))


def _wrong(place: tuple[int | str, ...], message: str) -> str:
    return f"  {'HVELV_' + str(place[0]).upper() + ': ' if place else ''}{message}"


def _fail(message: str, remedy: str = "") -> None:
    print(f"hvelv: {message}" + (f"\n{remedy}" if remedy else ""), file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
