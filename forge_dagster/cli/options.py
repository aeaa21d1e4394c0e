"""Options that several commands share."""

import enum
from pathlib import Path
from typing import Annotated

import typer


class Format(enum.StrEnum):
    """How a command says what it found."""

    TEXT = "text"
    JSON = "json"


Home = Annotated[Path | None, typer.Option("--home", help="Forge's home (default: $FORGE_HOME, else ~/.forge).")]
AsFormat = Annotated[Format, typer.Option("--format", help="json prints one object on stdout and nothing else.")]


def split_reference(text: str) -> tuple[str, int]:
    """`owner/name#12` as repository and number. Raises UsageError."""
    from forge_dagster.errors import UsageError

    repository, found, number = text.rpartition("#")
    if not found or not number.isdigit() or not number.isascii() or repository.count("/") != 1 or int(number) < 1:
        raise UsageError(f"{text!r} names no pull request", hint="write owner/repository#number, such as acme/shop#12")
    return repository, int(number)
