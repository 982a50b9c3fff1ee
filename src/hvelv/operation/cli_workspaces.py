"""`hvelv workspaces`: what people keep in their rooms. Needs the right to read all of it, so as root where the platform runs as root."""

from pathlib import Path
from typing import Annotated

import typer

from hvelv.kernel.settings import Settings
from hvelv.operation.trouble import Trouble

MEGABYTE = 1 << 20

app = typer.Typer(no_args_is_help=True, help="What people keep in their rooms: save it, restore it, remove it.")
Project = Annotated[
    str, typer.Argument(metavar="PROJECT", help="The project's id, as `hvelv workspaces list` shows it.")
]


@app.command("list")
def list_() -> None:
    """List each project's workspaces: persons, size on disk, rooms that are open."""
    from hvelv.operation import workspaces

    for kept in workspaces.listed(Settings()):
        size = f"{kept.size / MEGABYTE:.1f} MB"
        print(f"{kept.project:<14} {len(kept.persons):>3} persons  {size:>12}  {kept.open} open")


@app.command()
def save(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where archives are put. On an encrypted disk.")],
    project: Annotated[list[str] | None, typer.Option(help="Only this project; may be given several times.")] = None,
) -> None:
    """Write an archive of each project's workspaces. Rooms may be open meanwhile."""
    from hvelv.operation import workspaces

    settings = Settings()
    for one in project or [kept.project for kept in workspaces.listed(settings)]:
        archive, sha256 = workspaces.save(settings, one, folder)
        print(f"{one}: {archive} ({archive.stat().st_size / MEGABYTE:.1f} MB, sha256 {sha256})")


@app.command()
def restore(
    archive: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="The .tar file; its .json file stands beside it.")],
    *,
    replace: Annotated[bool, typer.Option(help="Set aside what is there now.")] = False,
) -> None:
    """Put an archive's workspaces back, on this installation or another."""
    from hvelv.operation import workspaces

    print(f"{workspaces.restore(Settings(), archive, replace=replace)}: restored.")


@app.command()
def remove(
    project: Project, *, yes: Annotated[bool, typer.Option(help="Do it. There is no way back but an archive.")] = False
) -> None:
    """Remove for good what a project's people kept."""
    from hvelv.operation import workspaces

    if not yes:
        raise Trouble("Nothing was removed.", "Say --yes if the project is over and nothing of it is needed.")
    workspaces.remove(Settings(), project)
    print(f"{project}: removed.")
