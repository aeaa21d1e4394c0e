"""Means to check a work tree or commit range with no server (`forge check`)."""

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from forge_dagster.bootstrap.homes import home_folder, load_settings, redactor
from forge_dagster.bootstrap.services import reviewer_of
from forge_dagster.domain.graph import GateSpec, Job
from forge_dagster.domain.policy import POLICY_FILE, POLICY_LIMIT
from forge_dagster.domain.releases import slug
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Checkout, Platform

if TYPE_CHECKING:
    from forge_dagster.usecases.check import LocalCheck
    from forge_dagster.workspace.processes import ProcessRun


@contextlib.contextmanager
def local_check(
    path: Path,
    *,
    specs: tuple[GateSpec, ...],
    base: str | None = None,
    head: str | None = None,
    home: Path | None = None,
    workers: int | None = None,
    fresh: bool = False,
    deploys: bool = False,
    log: Callable[[str, str], None] = lambda _gate, _line: None,
) -> Iterator["LocalCheck"]:
    """Means to check `path` with no server, ledger or host; what it started and its scratch folder are gone at the end.

    `fresh`: every gate is asked anew, whatever was answered before; `deploys`: gate `preview` can be asked too.

    Raises UsageError (no repository, no such revision), ConfigurationError (forge.toml), WorkspaceError.
    """
    from forge_dagster import registry
    from forge_dagster.usecases.check import LocalCheck, default_workers
    from forge_dagster.usecases.remember import Memory
    from forge_dagster.workspace.checkout import LocalWorkspace, local_checkout
    from forge_dagster.workspace.circumstances import circumstances
    from forge_dagster.workspace.contents import tree_contents
    from forge_dagster.workspace.memo import FolderMemo
    from forge_dagster.workspace.processes import ProcessRun, SystemClock
    from forge_dagster.workspace.services import LocalServices

    home = _made_home(home)
    settings, secrets = load_settings(home), redactor(home)
    run = ProcessRun(home=home, run_id=f"check-{os.getpid()}", redaction=secrets, sandbox=settings.sandbox)
    if fresh:
        run.prepare(path.resolve())
        threading.Thread(target=_load, args=(specs,), name="loading", daemon=True).start()
    try:
        with tempfile.TemporaryDirectory(prefix="forge-check-", ignore_cleanup_errors=True) as scratch:
            checkout = local_checkout(path, base, head, run, kept=home / "checkouts" / "check")
            _refuse_broken_policy(checkout)
            environments, clock = LocalWorkspace(home, run).environments, SystemClock()
            memory = Memory(
                memo=FolderMemo(home / "memo" / "check" / slug(str(path.resolve()))),
                checkout=checkout,
                contents=lambda: tree_contents(checkout.root, run),
                around=lambda: circumstances(
                    checkout,
                    environments=environments,
                    tools=registry.tools(),
                    settings=settings,
                    job=Job.CHANGE,
                ),
                clock=clock,
            )
            yield LocalCheck(
                checkout=checkout,
                specs=specs,
                gates=registry.gates(),
                environments=environments,
                run=run,
                clock=clock,
                services=LocalServices(home=home, run=run),
                platforms=_platforms(Path(scratch), run) if deploys else {},
                settings=settings,
                reviewer=reviewer_of(settings, None),
                redaction=secrets(),
                memory=None if fresh or not settings.memo else memory,
                scratch=Path(scratch),
                workers=workers or default_workers(),
                cache=home / "cache" / "check" / slug(str(path.resolve())),
                log=log,
            )
    finally:
        run.stop()


def _made_home(given: Path | None) -> Path:
    home = home_folder(given)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"cannot make {home}: {error.strerror or error}", hint="set FORGE_HOME to a writable folder"
        ) from error
    return home


def _load(specs: tuple[GateSpec, ...]) -> None:
    """Import what the gates need, while git is waited for. What cannot be imported, the gate says that needs it."""
    from forge_dagster import registry

    for spec in specs:
        with contextlib.suppress(Exception):
            registry.gates().get(spec.name)
            len(registry.tools_of(spec.name))


def _platforms(folder: Path, run: "ProcessRun") -> Mapping[str, Platform]:
    from forge_dagster.bootstrap.services import platforms_of
    from forge_dagster.workspace.run_supervision import RunSupervision

    return platforms_of(folder, RunSupervision(run))


def _refuse_broken_policy(checkout: Checkout) -> None:
    """The base's `forge.toml` judges; one that the work breaks would judge the next change, so it is refused now."""
    from forge_dagster.workspace.trees import read_policy

    path = checkout.root / POLICY_FILE
    if POLICY_FILE in checkout.change.paths and path.is_file() and not path.is_symlink():
        with path.open("rb") as file:
            read_policy(file.read(POLICY_LIMIT + 1), where="as it is now")
