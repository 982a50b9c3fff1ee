"""`hvelv audit`: the two audit chains, read from the databases themselves, so that it works when nothing runs."""

from typing import Annotated

import typer

from hvelv.kernel.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The audit trail.")


@app.command()
def verify() -> None:
    """Check every link of both chains; exit code 1 when one does not hold."""
    from hvelv.operation.opened import opened

    broken = False
    with opened(Settings()) as databases:
        for name, database in databases.items():
            with database.reading() as session:
                rows, faults = database.trail.length(session), database.trail.faults(session)
            broken = broken or bool(faults)
            print(f"{name}: {rows} rows, {len(faults)} faults")
            for fault in faults:
                print(f"  {fault}")
    if broken:
        raise typer.Exit(1)
    print("audit: ok")


@app.command()
def show(
    side: Annotated[str, typer.Argument(help="registry or custodian")] = "custodian",
    *,
    newest: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
) -> None:
    """Print the newest events of one side."""
    from hvelv.operation.opened import opened
    from hvelv.operation.trouble import Trouble

    with opened(Settings()) as databases:
        if side not in databases:
            raise Trouble(f"There is no audit trail {side}.", f"There are {' and '.join(databases)}.")
        with databases[side].reading() as session:
            for row in databases[side].trail.rows(session, newest=newest):
                detail = " ".join(f"{key}={value}" for key, value in row.detail.items())
                print(
                    f"{row.seq:>6} {row.at:%Y-%m-%d %H:%M:%S} {row.actor} {row.action} {row.subject} {detail}".rstrip()
                )
