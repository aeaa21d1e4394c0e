"""What `forge up` runs: on loopback or a Unix socket, and without the operator's own credentials."""

import sys
from pathlib import Path

from forge_dagster.cli.programs import environment, services, workspace_file
from forge_dagster.domain.settings import Ports, Settings

SETTINGS = Settings(home=Path("/home/f/.forge"), ports=Ports(server=1001))
INHERITED = {
    "PATH": "/usr/bin",
    "HOME": "/home/f",
    "AWS_SECRET_ACCESS_KEY": "hush",
    "GITHUB_TOKEN": "hush",
    "PIP_INDEX_URL": "https://packages.example/simple",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def test_processes_get_the_package_index_but_no_credentials() -> None:
    given = environment(SETTINGS, INHERITED)
    assert given["PIP_INDEX_URL"] == "https://packages.example/simple"
    assert given["FORGE_HOME"] == "/home/f/.forge"
    assert given["DAGSTER_HOME"] == "/home/f/.forge/dagster"
    assert given["PATH"] == f"{Path(sys.executable).parent}:/usr/bin"
    assert "hush" not in given.values()
    assert "PYTHONDONTWRITEBYTECODE" not in given


def test_dagster_and_the_code_server_have_no_port() -> None:
    parts = {part.program.name: part for part in services(SETTINGS, INHERITED)}
    assert list(parts) == ["server", "code", "dagster", "daemon"]
    for name, option in (("code", "-s"), ("dagster", "--socket")):
        argv = parts[name].program.argv
        assert argv[argv.index(option) + 1] == f"/home/f/.forge/sockets/{name}.sock"
        assert not {"-h", "-p", "--host", "--port"} & set(argv)
    assert [part.port for part in parts.values()] == ["server", "", "", ""]
    assert parts["dagster"].address == "http://127.0.0.1:1001/dagster"
    assert all(part.program.argv[0] == sys.executable for part in parts.values())


def test_people_are_led_to_the_address_that_they_can_reach() -> None:
    elsewhere = SETTINGS.model_copy(update={"public_url": "https://forge.example.org"})
    parts = {part.program.name: part for part in services(elsewhere, INHERITED)}
    assert parts["dagster"].address == "https://forge.example.org/dagster"
    assert parts["server"].address == "http://127.0.0.1:1001"


def test_daemon_and_web_server_share_the_code_server() -> None:
    assert 'socket: "/home/f/.forge/sockets/code.sock"' in workspace_file(SETTINGS)
