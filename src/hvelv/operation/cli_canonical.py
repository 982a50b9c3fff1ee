"""`hvelv canonical`: which number succeeded which, for people who change number."""

import typer

from hvelv.operation.cli_optouts import File, ask, sent, show

app = typer.Typer(no_args_is_help=True, help="People who change number (D-number to birth number).")


@app.command("import")
def import_(file: File) -> None:
    """Add the changes of number in a file: old,new. What is known already changes nothing. The platform has to be running."""
    answer = sent(file, "/canonical/import.csv")
    print(f"{answer['added']} added, {answer['known']} known before")


@app.command()
def count() -> None:
    """Show how many changes of number are known."""
    show(ask("GET", "/canonical/count"))
