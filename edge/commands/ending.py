"""What all commands share: their arguments, and how they fail."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

Config = Annotated[Path, typer.Argument(help="The gateway file.")]
Device = Annotated[str, typer.Argument(help="A device of the file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def fail(text: str) -> NoReturn:
    """End with one sentence for a person and exit code 1."""
    typer.echo(text, err=True)
    raise typer.Exit(1)
