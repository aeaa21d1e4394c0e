"""GitHub's own JavaScript client, from npm, pointed at the embedded host."""

import json
import subprocess
from pathlib import Path

from tests.support.npm import npm_packages
from tests.support.serving import REPOSITORY, first_import, served_host


def test_octokit_walks_a_pull_request_to_its_merge(tmp_path: Path) -> None:
    branch = "agents/forge/builder-01/octokit"
    with served_host(tmp_path / "home") as served:
        clone = first_import(served, tmp_path / "clone")
        head = clone.commit({"a.py": "import os\n", "b.py": "B = 1\n", "c.py": "C = 1\n"}, "Add files")
        clone.push(served.git_url("forge/builder-01"), f"HEAD:refs/heads/{branch}")
        asked = {"api": served.api, "repository": REPOSITORY, "tokens": dict(served.tokens), "branch": branch}
        command = ["node", str(npm_packages() / "octokit.mjs")]
        done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "opened": {"status": 201, "number": 1, "sha": head, "author": "forge/builder-01", "type": "Bot"},
        "files": ["added a.py +1", "added b.py +1", "added c.py +1"],
        "annotations": ["unused 1", "unused 2", "unused 3"],
        "checks": [["lint", "failure"]],
        "agentsCheck": 403,
        "ownApproval": 422,
        "review": ["APPROVED", "olga", True],
        "comment": 201,
        "agentsMerge": 403,
        "staleMerge": 409,
        "merged": [200, True],
        "again": 405,
        "landed": True,
        "after": True,
        "content": "import os\n",
        "deployment": [201, "success"],
    }
