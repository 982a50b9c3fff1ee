"""`hvelv optouts`: objections of people in the data, given to the custodian."""

import csv
from pathlib import Path
from typing import Annotated

import typer

from hvelv.kernel.link import Link
from hvelv.kernel.settings import Settings
from hvelv.operation.trouble import Trouble

COLUMNS = ("person_number", "scope", "since")
ACTOR = "operator"

app = typer.Typer(no_args_is_help=True, help="Objections (reservasjoner) of people in the data.")


@app.callback()
def _group() -> None:
    """Keep `import` a command of its own."""


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help=f"CSV with the columns {', '.join(COLUMNS)}", exists=True, dir_okay=False)
    ],
) -> None:
    """Add the objections in a file. One that is known already is left alone, or moved to the earlier day. The platform has to be running."""
    rows = read(file)
    answer = Link(Settings().custodian_socket("portal")).call(
        "POST", "/opt-outs/import", actor=ACTOR, json={"rows": rows}
    )
    print(f"{answer['added']} added, {answer['known']} known before")


def read(file: Path) -> list[dict[str, str]]:
    """Return the file's rows. Raises `Trouble` with the line, and never with what stands in it."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise Trouble("The file's first line does not name the columns.", f"It has to be {','.join(COLUMNS)}")
            rows = []
            for row in reader:
                if None in row or not all(row.get(column) for column in COLUMNS):
                    raise Trouble(f"Line {reader.line_num} does not have three values.", "Nothing was imported.")
                rows.append({column: row[column].strip() for column in COLUMNS})
    except (UnicodeDecodeError, csv.Error):
        raise Trouble("The file is not CSV in UTF-8.", "Save it as CSV UTF-8, with commas.") from None
    return rows
