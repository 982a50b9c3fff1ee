"""`hvelv demo`: the whole road on real data; and the present one-time code of one of its people."""

import typer

from hvelv.kernel.settings import Settings

app = typer.Typer(help="Walk the whole road on real data, and leave it running.")


@app.callback(invoke_without_command=True)
def run(context: typer.Context) -> None:
    """Walk the whole road on real data, and leave it running."""
    if context.invoked_subcommand is None:
        from hvelv.operation import demo

        demo.run(Settings())


@app.command()
def code(name: str) -> None:
    """Show the present one-time code of a person of the demo."""
    from hvelv.operation import demo

    print(demo.code(Settings(), name))
