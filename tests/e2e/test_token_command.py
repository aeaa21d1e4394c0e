"""`forge token`: made once, listed without the secret, revoked at once."""

import json
import sqlite3
from pathlib import Path

import pytest

from forge_dagster.cli.token import seconds
from forge_dagster.errors import UsageError
from forge_dagster.hosts.embedded import EmbeddedHost
from tests.support.forge_command import ForgeCommand


@pytest.fixture
def forge(tmp_path: Path) -> ForgeCommand:
    made = ForgeCommand(tmp_path / "home")
    made.home.mkdir()
    return made


def test_a_token_is_made_listed_and_revoked(forge: ForgeCommand) -> None:
    options = ("--scope", "agent", "--expires", "30d", "--repository", "acme/shop", "--note", "for CI")
    token = forge.run("token", "create", "forge/builder-01", *options).stdout.strip()
    host = EmbeddedHost(forge.home)
    login = host.accounts.login_of(token)
    assert login is not None
    assert (login.login, login.kind, login.repositories) == ("forge/builder-01", "agent", ("acme/shop",))
    listed = forge.run("token", "list", "--format", "json").stdout
    [row] = json.loads(listed)["tokens"]
    assert (row["id"], row["scope"], row["note"], row["revoked_at"]) == (1, "agent", "for CI", None)
    assert row["expires_at"] - row["created_at"] == pytest.approx(30 * 86_400)
    assert token not in listed
    assert forge.run("token", "revoke", "1").returncode == 0
    assert host.accounts.login_of(token) is None
    assert "revoked" in forge.run("token", "list").stdout
    again = forge.run("token", "revoke", "1")
    assert (again.returncode, "forge token list" in again.stderr) == (2, True)
    host.close()


def test_what_cannot_be_is_refused(forge: ForgeCommand) -> None:
    assert forge.run("token", "create", "bob", "--scope", "forge").returncode == 2
    assert forge.run("token", "create", "../x", "--scope", "read").returncode == 2
    assert forge.run("token", "create", "bob", "--scope", "read", "--repository", "noslash").returncode == 2
    assert json.loads(forge.run("token", "list", "--format", "json").stdout)["tokens"] == []


@pytest.mark.parametrize(("text", "expected"), [("90m", 5_400.0), ("12h", 43_200.0), ("30d", 2_592_000.0)])
def test_lifetimes(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "0d", "30", "d", "-1d", "1y", "1.5h", "9999999d"])
def test_what_is_no_lifetime(text: str) -> None:
    with pytest.raises(UsageError):
        seconds(text)


def test_a_home_of_an_older_forge_is_brought_up(tmp_path: Path) -> None:
    host = EmbeddedHost(tmp_path)
    token = host.accounts.create_token("olga", "operator")
    host.close()
    with sqlite3.connect(tmp_path / "host" / "host.db") as old:
        for column in ("note", "repositories", "expires_at"):
            old.execute(f"ALTER TABLE tokens DROP COLUMN {column}")
        old.execute("DROP TABLE sessions")
    again = EmbeddedHost(tmp_path)
    login = again.accounts.login_of(token)
    assert login is not None
    assert login.login == "olga"
    assert again.sessions.open(token) is not None
    again.close()
