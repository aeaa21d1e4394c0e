"""What is said of an installation that failed."""

import pytest

from forge_dagster.ports import ProcessResult
from forge_dagster.workspace.node_installer import _failure

PNPM = b"""\
 WARN  Unsupported engine: wanted: {"node":"^22"} (current: {"node":"v20.20.2","pnpm":"10.34.9"})
Lockfile is up to date, resolution step is skipped
Progress: resolved 1, reused 0, downloaded 0, added 0
Packages: +119
++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++
""" + b"".join(b"Progress: resolved 119, reused 0, downloaded %d, added 5\n" % number for number in range(20))


def said(stdout: bytes, stderr: bytes = b"") -> str:
    result = ProcessResult(exit_code=1, ended="exited", stdout=stdout, stderr=stderr, duration_s=1.0)
    return _failure(result, ("/x/pnpm", "install"), "pnpm-lock.yaml of the project").message


def test_the_complaint_is_shown_and_not_how_far_it_came() -> None:
    message = said(
        PNPM + b" ERR_PNPM_FETCH_404\xe2\x80\x89 GET https://packages.example/a-1.0.0.tgz: Not Found - 404\nNo authorization\n"
    )
    assert "GET https://packages.example/a-1.0.0.tgz: Not Found" in message
    assert "Progress" not in message


def test_npm_says_at_first_what_is_wrong() -> None:
    message = said(
        b"", b"npm error code E404\nnpm error 404 Not Found\nnpm error A complete log of this run can be found in: /x\n"
    )
    assert message.endswith("npm error code E404\nnpm error 404 Not Found")


def test_without_any_complaint_what_there_is_is_shown() -> None:
    assert "Lockfile is up to date" in said(PNPM)


@pytest.mark.parametrize(
    "said",
    [
        'error semantic-release@25.0.3: The engine "node" is incompatible with this module. Expected version "^22.14.0".',
        "Error [ERR_UNKNOWN_BUILTIN_MODULE]: No such built-in module: node:sqlite",
        "npm error code EBADENGINE",
    ],
    ids=["yarn", "pnpm", "npm"],
)
def test_another_node_than_is_needed_is_what_to_install(said: str) -> None:
    result = ProcessResult(ended="exited", exit_code=1, stderr=said.encode())
    error = _failure(result, ("yarn", "install"), "yarn.lock of the project")
    assert said in error.message
    assert error.hint is not None
    assert "Node.js that the project" in error.hint
