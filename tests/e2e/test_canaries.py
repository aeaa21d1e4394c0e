"""Planted secrets are searched for in everything that a whole `forge check` leaves behind or says: none is found."""

import base64
from pathlib import Path

import pytest

from tests.support.canaries import canary, credential, found_in
from tests.support.forge_command import ForgeCommand
from tests.support.repositories import TestRepository

pytestmark = [pytest.mark.xdist_group("check-command"), pytest.mark.slow]

CONFIGURED, TOKEN, INHERITED = canary("configured"), canary("token"), canary("inherited")
LEAKED = credential("github")
PYPROJECT = (
    '[project]\nname = "sample"\nversion = "1"\n[dependency-groups]\ndev = ["pytest"]\n[tool.ruff]\nselect = ["S", "F"]\n'
)
LEAKS = f'''"""Shows what it should not."""

import base64
import os
import sys

password = "{CONFIGURED}"


def test_prints() -> None:
    print(dict(os.environ))
    sys.stdout.write("{CONFIGURED[:15]}")
    sys.stdout.flush()
    print("{CONFIGURED[15:]}", "{LEAKED}")
    print(base64.b64encode(b"user:" + password.encode()).decode())
    assert password == "{TOKEN}", f"not {{password}}"


def test_raises() -> None:
    raise ValueError(f"401 for https://forge:{{password}}@git.example")
'''


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> ForgeCommand:
    home = tmp_path_factory.mktemp("home")
    (home / "settings.toml").write_text(f'secrets = ["{CONFIGURED}"]\n')
    (home / "secrets").mkdir(mode=0o700)
    (home / "secrets" / "forge-token").write_text(f"{TOKEN}\n")
    return ForgeCommand(home)


def test_no_canary_gets_out(forge: ForgeCommand, tmp_path: Path) -> None:
    repository = TestRepository(tmp_path / "sample")
    base = repository.commit(**{"pyproject.toml": PYPROJECT, "sample.py": '"""A sample."""\n'})
    repository.commit(**{"notes.py": f'"""Notes."""\n\nTOKEN = "{LEAKED}"\n'})
    repository.commit(**{"notes.py": '"""Notes."""\n', "tests/test_leaks.py": LEAKS, "names.txt": f"{CONFIGURED}\n"})
    said: list[str] = []
    fast, unit = ("--gate", "lint", "--gate", "secrets"), ("--gate", "unit")  # the tests run only where the fast gates pass
    asked = ((*fast, "--verbose"), (*fast, "--format", "sarif"), (*unit, "--verbose"), (*unit, "--format", "json", "--fresh"))
    for options in asked:
        done = forge.run("check", repository.path, "--base", base, *options, DEPLOY_TOKEN=INHERITED)
        assert done.returncode == 1, done.stdout + done.stderr
        said += [done.stdout, done.stderr]
    everything = "\n".join(said)
    assert "test_prints" in everything, "the tests have run"
    assert "kingfisher" in everything, "the scanner has run"
    encoded = base64.b64encode(f"user:{CONFIGURED}".encode()).decode()[8:-4]
    secrets = (CONFIGURED, TOKEN, INHERITED, LEAKED, encoded)
    assert [secret for secret in secrets if secret in everything] == []
    meant = (forge.home / "settings.toml", forge.home / "secrets")
    assert list(found_in([forge.home], secrets, without=meant)) == []
