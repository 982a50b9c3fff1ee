"""`hvelv sample`: made-up data to try the platform on."""

import re
from pathlib import Path
from typing import Annotated

import typer

from hvelv.operation.trouble import Trouble

YEARS = re.compile(r"([0-9]{4})(?:-([0-9]{4}))?")

app = typer.Typer(no_args_is_help=True, help="Made-up data to try the platform on.")


@app.callback()
def _group() -> None:
    """Keep `population` a command of its own."""


@app.command()
def population(
    *,
    persons: Annotated[int, typer.Option(help="How many persons, those included who are born in the period.")],
    to: Annotated[Path, typer.Option(help="The folder to make, or to make anew.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    years: Annotated[str, typer.Option(help="The years that the registers cover.")] = "2020-2024",
    force: Annotated[bool, typer.Option(help="Write into a folder that holds other files.")] = False,
) -> None:
    """Make a population with five linked registers, in the Norwegian manner. Nobody in it exists."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from hvelv.operation.population.figures import Wanted
    from hvelv.operation.population.folder import produce

    wanted = Wanted(persons, *covered(years), seed)
    columns = (TextColumn("persons"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as shown:
        bar = shown.add_task("persons", total=persons)
        manifest = produce(wanted, to, force=force, progress=lambda done: shown.update(bar, completed=done))
    for name, rows in manifest["rows"].items():
        print(f"{name:<14}{rows:>14,}")
    size = sum(file["bytes"] for file in manifest["files"].values())
    print(f"{'together':<14}{sum(manifest['rows'].values()):>14,} rows, {size / 1e6:,.0f} MB, in {to}")


def covered(years: str) -> tuple[int, int]:
    """Return the first and the last year of `2020-2024` or `2024`. Raises `Trouble`."""
    found = YEARS.fullmatch(years)
    if found is None:
        raise Trouble("The years are not of the form 2020-2024.", "For example --years 2020-2024.")
    return int(found[1]), int(found[2] or found[1])
