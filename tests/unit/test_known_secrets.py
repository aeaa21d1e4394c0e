"""Where the values to blank come from: settings, files they name, the home, and the environment Forge was started in."""

import os
from pathlib import Path

import pytest

from forge_dagster.bootstrap import redactor
from forge_dagster.domain.redaction import MASK
from forge_dagster.domain.settings import HostSettings, ReviewerSettings, Settings
from forge_dagster.domain.settings_file import parse_settings
from forge_dagster.errors import ConfigurationError
from forge_dagster.workspace.known_secrets import KnownSecrets, from_environment
from tests.support.canaries import canary, private_key


def test_every_file_of_a_secret_that_settings_can_name_is_known(tmp_path: Path) -> None:
    host = HostSettings(name="github", kind="github", token_file=tmp_path / "a", webhook_secret_file=tmp_path / "b")
    reviewer = ReviewerSettings(kind="openai", key_file=tmp_path / "c")
    assert set(Settings(home=tmp_path, hosts=(host,), reviewer=reviewer).secret_files) == {tmp_path / name for name in "abc"}


def test_a_home_knows_its_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_settings, in_file, in_home, in_environment = (canary(name) for name in ("settings", "file", "home", "environment"))
    (tmp_path / "token").write_text(f"{in_file}\n")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "any-name").write_text(in_home)
    (tmp_path / "settings.toml").write_text(
        f'secrets = ["{in_settings}"]\n[[hosts]]\nname = "h"\nkind = "github"\ntoken_file = "{tmp_path}/token"\n'
    )
    monkeypatch.setenv("DEPLOY_TOKEN", in_environment)
    known = redactor(tmp_path)()
    for secret in (in_settings, in_file, in_home, in_environment):
        assert known.text(f"<{secret}>") == f"<{MASK}>"


def test_a_renewed_token_is_known_at_once(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(canary("old"))
    known = KnownSecrets(tmp_path, files=[tmp_path / "token"])
    assert known().text(canary("old")) == MASK
    assert known() is known()
    (tmp_path / "token").write_text(canary("new") + "-longer")
    assert MASK in known().text(canary("new") + "-longer")


def test_public_keys_are_no_secrets(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "public.pem").write_text(
        "-----BEGIN PUBLIC KEY-----\nQUJDREVGR0hJSktMTU5PUA==\n-----END PUBLIC KEY-----\n"
    )
    (tmp_path / "keys" / "private.pem").write_text(private_key())
    known = KnownSecrets(tmp_path)()
    assert known.text("QUJDREVGR0hJSktMTU5PUA==") == "QUJDREVGR0hJSktMTU5PUA=="
    assert known.text(private_key().splitlines()[3]) == MASK


@pytest.mark.parametrize("broken", ["secrets = [", 'secrets = ["abc"]', "no_such_key = 1"])
def test_broken_settings_do_not_unmask_what_is_known_otherwise(tmp_path: Path, broken: str) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "forge-token").write_text(canary("home"))
    (tmp_path / "settings.toml").write_text(broken)
    assert redactor(tmp_path)().text(canary("home")) == MASK


def test_a_value_that_would_blank_ordinary_words_is_refused_without_being_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_settings('secrets = ["zq9"]', home=tmp_path)
    assert "zq9" not in str(refused.value)


def test_variables_are_secrets_by_their_names() -> None:
    environment = {
        "GH_TOKEN": "0123456789",
        "TOKEN_FILE": "not-a-secret",
        "SSH_KEY_PATH": "/x/y/z/abc",
        "PATH": "/bin:/usr/bin",
    }
    environment |= {"TOKEN": "short", "AWS_SECRET_ACCESS_KEY": "abcdefghij", "MY_PASSWORD": "/looks/like/a/path"}
    assert sorted(from_environment(environment)) == ["0123456789", "abcdefghij"]
    assert os.environ.get("PATH", "x" * 9) not in from_environment(dict(os.environ))
