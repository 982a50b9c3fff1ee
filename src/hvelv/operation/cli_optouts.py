"""`hvelv optouts`: objections of people in the data, given to the custodian as they stand in a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from hvelv.kernel.errors import Invalid
from hvelv.kernel.link import Link
from hvelv.kernel.settings import Settings
from hvelv.operation.trouble import Trouble

ACTOR = "operator"
PIECE = 1 << 20  # bytes that are read at a time
MOST_SHOWN = 20

app = typer.Typer(no_args_is_help=True, help="Objections (reservasjoner) of people in the data.")
File = Annotated[Path, typer.Argument(help="CSV in UTF-8, read by docs/objections.md.", exists=True, dir_okay=False)]


@app.command("import")
def import_(file: File) -> None:
    """Add the objections in a file: person_number,scope,since. What is known already changes nothing. The platform has to be running."""
    answer = sent(file, "/opt-outs/import.csv")
    print(f"{answer['added']} added, {answer['known']} known before")


@app.command()
def withdraw(file: File) -> None:
    """End objections: person_number,scope,until, the first day on which each no longer holds. The platform has to be running."""
    answer = sent(file, "/opt-outs/withdraw.csv")
    print(f"{answer['added']} withdrawn, {answer['known']} known before")
    if answer["baseless"]:
        print(f"{answer['baseless']} of them follow no objection of the same number to the same scope")


@app.command()
def count() -> None:
    """Show how many people object today, how many objections of each kind hold, and how they came."""
    show(ask("GET", "/opt-outs/count"))


def sent(file: Path, path: str) -> dict[str, Any]:
    """Have the custodian take in a file and return its counts. Raises `Trouble` with lines, and never with what stands in them."""
    try:
        return ask("POST", path, content=_pieces(file))
    except Invalid as refusal:
        lines = [
            f"  line {problem.row or '?'}: {problem.field + ': ' if problem.field else ''}{problem.text()}"
            for problem in refusal.problems[:MOST_SHOWN]
        ]
        raise Trouble("\n".join([str(refusal), *lines]), "Nothing was taken in.") from None


def ask(method: str, path: str, **content: Any) -> dict[str, Any]:
    """Ask the running custodian."""
    answer: dict[str, Any] = Link(Settings().custodian_socket("portal")).call(method, path, actor=ACTOR, **content)
    return answer


def show(counts: dict[str, Any]) -> None:
    """Print counts, one a line."""
    for name, number in counts.items():
        print(f"{name.replace('_', ' '):<16} {number}")


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(PIECE):
            yield piece
