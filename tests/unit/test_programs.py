"""What `forge up` runs: on loopback only, and without the operator's own credentials."""

import sys
from pathlib import Path

from forge_dagster.cli.programs import environment, services, workspace_file
from forge_dagster.domain.settings import Ports, Settings

SETTINGS = Settings(home=Path("/home/f/.forge"), ports=Ports(server=1001, dagster=1002, code=1003))
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


def test_every_process_is_on_loopback_and_on_its_port() -> None:
    parts = {part.program.name: part for part in services(SETTINGS, INHERITED)}
    assert list(parts) == ["server", "code", "dagster", "daemon"]
    for name, port in (("code", "1003"), ("dagster", "1002")):
        argv = parts[name].program.argv
        assert argv[argv.index("-h") + 1] == "127.0.0.1"
        assert argv[argv.index("-p") + 1] == port
    assert parts["dagster"].address == "http://127.0.0.1:1002"
    assert all(part.program.argv[0] == sys.executable for part in parts.values())


def test_daemon_and_web_server_share_the_code_server() -> None:
    assert "port: 1003" in workspace_file(SETTINGS)
    assert "host: 127.0.0.1" in workspace_file(SETTINGS)
