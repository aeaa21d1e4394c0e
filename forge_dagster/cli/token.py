"""`forge token`: who may come in, as what, and for how long."""

import re
from enum import StrEnum
from typing import Annotated

import typer

from forge_dagster.cli.options import AsFormat, Format, Home

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke the tokens of agents, operators and readers.")

_UNITS = {"m": 60, "h": 3_600, "d": 86_400}


class Scope(StrEnum):
    """What a token lets its holder do. Forge's own token is made by `forge up` alone."""

    AGENT = "agent"
    OPERATOR = "operator"
    READ = "read"


@app.command()
def create(
    login: Annotated[str, typer.Argument(metavar="LOGIN", help="Whose: a name, or an agent's such as forge/builder-01.")],
    scope: Annotated[
        Scope, typer.Option("--scope", help="agent: push, open, comment. operator: approve too. read: look only.")
    ],
    expires: Annotated[
        str | None, typer.Option(metavar="30d", help="Lifetime: 90m, 12h, 30d (default: until revoked).")
    ] = None,
    repository: Annotated[list[str] | None, typer.Option(metavar="OWNER/NAME", help="Only this one; can be repeated.")] = None,
    note: Annotated[str, typer.Option(help="What it is for; shown by forge token list.")] = "",
    home: Home = None,
) -> None:
    """Make a token and print it, this once: Forge keeps only its digest."""
    from forge_dagster.bootstrap import home_accounts

    lifetime = None if expires is None else seconds(expires)
    with home_accounts(home) as (accounts, _sessions):
        made = accounts.create_token(login, scope.value, lifetime_s=lifetime, repositories=repository or (), note=note)
    typer.echo(made)
    typer.echo(f"a token of {login} with scope {scope.value}; it is not shown again", err=True)


@app.command("list")
def show(home: Home = None, form: AsFormat = Format.TEXT) -> None:
    """List the tokens: id, login, scope, state. What was revoked stays listed."""
    import json
    import sys
    import time
    from dataclasses import asdict

    from forge_dagster.bootstrap import home_accounts
    from forge_dagster.cli.terminal import Terminal, plain

    with home_accounts(home) as (accounts, _sessions):
        found = accounts.tokens()
    if form is Format.JSON:
        rows = [{("scope" if name == "kind" else name): value for name, value in asdict(one).items()} for one in found]
        typer.echo(json.dumps({"schema": "forge.tokens/1", "tokens": rows}, indent=2))
        return
    terminal, now = Terminal(sys.stdout), time.time()
    for one in found:
        state = "revoked" if one.revoked_at else "expired" if one.expires_at and one.expires_at <= now else "valid"
        until = time.strftime("until %Y-%m-%d %H:%M", time.localtime(one.expires_at)) if one.expires_at else ""
        word = terminal.style(f"{state:8}", "good" if state == "valid" else "dim")
        more = "  ".join(plain(text) for text in (until, ", ".join(one.repositories), one.note) if text)
        terminal.line(f"  {one.id:>4} {word} {one.kind:9} {plain(one.login):30} {more}".rstrip())


@app.command()
def revoke(
    token: Annotated[int, typer.Argument(metavar="ID", help="As forge token list shows it.")],
    home: Home = None,
) -> None:
    """End a token at once, and every browser session it opened."""
    from forge_dagster.bootstrap import home_accounts
    from forge_dagster.errors import UsageError

    with home_accounts(home) as (accounts, _sessions):
        if not accounts.revoke_id(token):
            raise UsageError(f"there is no valid token {token}", hint="see forge token list")
    typer.echo(f"revoked token {token}")


def seconds(text: str) -> float:
    """A lifetime such as 90m, 12h or 30d. Raises UsageError."""
    from forge_dagster.errors import UsageError

    match = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text)
    if match is None:
        raise UsageError(f"{text!r} is no lifetime", hint="write minutes, hours or days: 90m, 12h, 30d")
    return float(int(match[1]) * _UNITS[match[2]])
