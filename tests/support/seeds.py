"""Small repositories with a fault in them and their clean twins: recorded for the suite, and run for real end to end."""

import difflib
import hashlib
import importlib
import os
import random
import shutil
import string
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from forge_dagster.domain.changes import Change, ChangedFile
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import NodeProject, Project, PythonProject

Text = str | Callable[[], str]


@dataclass(frozen=True, kw_only=True)
class Seed:
    """A repository and what a tool is to say of it. `findings` are (file, line, rule) of the errors, in the tool's order.

    `commits`: further commits on top of `files`, each a mapping of path -> text (None removes the file); they are the change.
    A text that holds a secret is a function, so that no secret stands in this repository.
    """

    tool: str
    case: str
    files: Mapping[str, Text]
    outcome: Outcome
    findings: tuple[tuple[str | None, int | None, str], ...] = ()
    commits: tuple[Mapping[str, Text | None], ...] = ()
    python: PythonProject | None = None
    node: NodeProject | None = None
    examined: int = 1
    uncommitted: Mapping[str, Text] = field(default_factory=dict)
    """Edits of the work tree; the change then has no head."""
    volatile_argv: bool = False
    """The argument lists are another adapter's, which has recordings of its own."""
    serve: tuple[str, ...] = ()
    """Starts the seed's application, which the tool talks to, on $PORT."""
    document: str = ""
    """Its OpenAPI document."""
    told_in: str = ""
    """Variable that tells the tool the application's address, where it is no API under test."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What else the tool's process finds in its environment."""

    @property
    def id(self) -> str:
        return f"{self.tool}-{self.case}"


def all_seeds() -> tuple[Seed, ...]:
    """Every seed of `tests/support/*_seeds.py`."""
    seeds: list[Seed] = []
    for path in sorted(Path(__file__).parent.glob("*_seeds.py")):
        seeds += importlib.import_module(f"tests.support.{path.stem}").SEEDS
    return tuple(seeds)


def plant(seed: Seed, root: Path) -> tuple[Project, Change]:
    """Make the seed's repository in the empty folder `root`, and say what Forge would know of it."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q", "-b", "main")
    base = _commit(root, seed.files, "base")
    head = base
    for number, files in enumerate(seed.commits):
        head = _commit(root, files, f"change {number + 1}")
    _write(root, seed.uncommitted)
    tracked = git(root, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    project = Project(files=tuple(sorted(set(tracked))), python=seed.python, node=seed.node)
    ranged = bool(seed.commits)
    return project, Change(
        repository="acme/shop",
        base_sha=base if ranged or seed.uncommitted else None,
        head_sha=head if ranged and not seed.uncommitted else None,
        files=tuple(
            ChangedFile(path=path, added_lines=_added(seed, path))
            for path in sorted({*seed.uncommitted, *(p for c in seed.commits for p in c)})
        ),
    )


def _added(seed: Seed, path: str) -> frozenset[int]:
    """Lines of the seed's last version of a file that the first has not."""
    layers = (seed.files, *seed.commits, seed.uncommitted)
    texts = [layer[path] for layer in layers if path in layer]
    first, last = ((text if isinstance(text, str) else text() if text else "").splitlines() for text in (texts[0], texts[-1]))
    old = first if path in seed.files else []
    blocks = difflib.SequenceMatcher(None, old, last, autojunk=False).get_opcodes()
    return frozenset(n + 1 for tag, _, _, start, end in blocks if tag in ("insert", "replace") for n in range(start, end))


def git(root: Path, *arguments: str) -> str:
    """Run git in `root` as nobody in particular, at a fixed time: the commits have the same ids everywhere."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.org",
        "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
        "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    }
    program = shutil.which("git") or "git"
    done = subprocess.run([program, *arguments], cwd=root, env=environment, check=True, capture_output=True, text=True)
    return done.stdout


def _write(root: Path, files: Mapping[str, Text | None] | Mapping[str, Text]) -> None:
    for name, text in files.items():
        path = root / name
        if text is None:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else text(), encoding="utf-8")


def _commit(root: Path, files: Mapping[str, Text | None] | Mapping[str, Text], message: str) -> str:
    _write(root, files)
    git(root, "add", "--all")
    git(root, "commit", "-q", "--allow-empty", "-m", message)
    return git(root, "rev-parse", "HEAD").strip()


def token(prefix: str, length: int, *, alphabet: str = string.ascii_letters + string.digits, salt: str = "") -> str:
    """A credential that looks real and is none, the same one every time."""
    seed = int(hashlib.sha256(f"{prefix}{length}{salt}".encode()).hexdigest(), 16)
    chosen = random.Random(seed)
    return prefix + "".join(chosen.choice(alphabet) for _ in range(length))
