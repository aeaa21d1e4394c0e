"""Settings, ports and secrets of a home, and the wiring over them."""

import json
from pathlib import Path

import pytest

from forge_dagster import bootstrap
from forge_dagster.errors import ConfigurationError


def test_the_home_is_the_argument_then_the_variable_then_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FORGE_HOME", str(tmp_path / "variable"))
    assert bootstrap.home_folder(tmp_path / "argument") == tmp_path / "argument"
    assert bootstrap.home_folder() == tmp_path / "variable"
    monkeypatch.delenv("FORGE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert bootstrap.home_folder() == tmp_path / ".forge"


def test_a_home_that_is_not_there_has_default_settings(tmp_path: Path) -> None:
    assert bootstrap.load_settings(tmp_path / "none").ports.server == 7730
    assert not (tmp_path / "none").exists()


def test_ports_chosen_at_the_start_fill_in_for_0_only(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("[ports]\nserver = 0\nenvoy_admin = 9000\n")
    (tmp_path / "ports.json").write_text(json.dumps({"server": 40001, "envoy_admin": 40002}))
    ports = bootstrap.load_settings(tmp_path).ports
    assert (ports.server, ports.envoy_admin) == (40001, 9000)
    assert bootstrap.configured_ports(tmp_path)["server"] == 0


@pytest.mark.parametrize("broken", ["", "[]", "null", '{"server": "many"}', "{"])
def test_a_broken_record_of_ports_is_as_none(tmp_path: Path, broken: str) -> None:
    (tmp_path / "settings.toml").write_text("[ports]\nserver = 0\n")
    (tmp_path / "ports.json").write_text(broken)
    assert bootstrap.load_settings(tmp_path).ports.server == 0


def test_a_fault_in_the_settings_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("prots = 1\n")
    with pytest.raises(ConfigurationError, match=r"settings\.toml: unknown key"):
        bootstrap.load_settings(tmp_path)


def test_settings_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot read"):
        bootstrap.load_settings(tmp_path)


def test_a_secret_before_the_first_start_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        bootstrap.read_secret(tmp_path, bootstrap.FORGE_TOKEN)
    assert "forge up" in error.value.hint


def test_services_are_made_once_per_home_and_touch_nothing(tmp_path: Path) -> None:
    services = bootstrap.build_services(tmp_path / "home")
    assert bootstrap.build_services(tmp_path / "home") is services
    assert bootstrap.build_services(tmp_path / "other") is not services
    assert not (tmp_path / "home").exists()
    assert {"format", "unit", "build"} <= set(services.gates)
    assert services.run_for("a") is services.run_for("a")
    assert services.run_for("a") is not services.run_for("b")


def test_a_repository_that_no_host_serves_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "settings.toml").write_text(
        '[[hosts]]\nname = "github"\nkind = "github"\napi_url = "https://api.github.com"\ngit_url = "https://github.com"\n'
        f'token_file = "{tmp_path / "token"}"\nrepositories = ["acme/shop"]\n'
    )
    services = bootstrap.build_services(tmp_path)
    assert services.host_of("acme/shop") is services.hosts["github"]
    with pytest.raises(ConfigurationError, match="no host serves 'acme/other'"):
        services.host_of("acme/other")


def test_a_github_host_needs_a_token_file(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('[[hosts]]\nname = "github"\nkind = "github"\n')
    with pytest.raises(ConfigurationError, match="has no token_file"):
        bootstrap.build_services(tmp_path)
