"""People and agents of the story: each has a login, a token and a clone, and talks to Forge by git alone."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.cli.demo.failing import DemoFailed
from forge_dagster.ports import Command, Run

_OPENED = re.compile(r"pull request #(\d+) (?:opened|updated)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Somebody with a token. The token is given to git in its environment, never in an argument or a URL."""

    login: str
    token: str
    clone: Path
    run: Run

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run git as this actor; what it says. Raises DemoFailed with git's own words."""
        done = self.run.run(
            Command(
                argv=("git", *arguments), cwd=cwd or self.clone, environment=self._environment(), timeout_s=120, trusted=True
            )
        )
        said = (done.stdout + done.stderr).decode(errors="replace")
        if done.exit_code != 0:
            raise DemoFailed(f"git {arguments[0]} of {self.login} {done.ended} with {done.exit_code}:\n{said.strip()[-1500:]}")
        return said

    def fresh_clone(self, url: str) -> None:
        """Clone into an empty folder."""
        self.clone.mkdir(parents=True)
        self.git("clone", "--quiet", url, str(self.clone), cwd=self.clone.parent)

    def write(self, files: Mapping[str, str | None]) -> None:
        """Put files into the clone; None removes one."""
        for name, text in files.items():
            path = self.clone / name
            if text is None:
                path.unlink(missing_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)

    def commit(self, subject: str, *, trailers: Mapping[str, str] | None = None, amend: bool = False) -> str:
        """Commit everything; the new commit's id."""
        lines = [f"{name}: {value}" for name, value in (trailers or {}).items()]
        message = "\n\n".join([subject, *(["\n".join(lines)] if lines else [])])
        self.git("add", "--all")
        self.git("commit", "--quiet", *(["--amend"] if amend else []), "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def propose(self, *, topic: str, title: str) -> int:
        """Push to refs/for/main: the pull request's number."""
        said = self.git("push", "origin", "HEAD:refs/for/main", "-o", f"topic={topic}", "-o", f"title={title}")
        found = _OPENED.search(said)
        if found is None:
            raise DemoFailed(f"the push of {self.login} opened no pull request:\n{said.strip()[-1500:]}")
        return int(found[1])

    def _environment(self) -> dict[str, str]:
        basic = base64.b64encode(f"{self.login.replace('/', '-')}:{self.token}".encode()).decode()
        email = f"{self.login.replace('/', '-')}@example.invalid"
        settings = {
            "http.extraHeader": f"Authorization: Basic {basic}",
            "user.name": self.login,
            "user.email": email,
            "init.defaultBranch": "main",
            "advice.detachedHead": "false",
            "commit.gpgSign": "false",
        }
        numbered = {"GIT_CONFIG_COUNT": str(len(settings)), "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
        for index, (key, value) in enumerate(settings.items()):
            numbered |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
        return numbered
