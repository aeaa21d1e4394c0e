"""The local platform: one supervised process group per release on this machine, Envoy in front, weights by file."""

import contextlib
import functools
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from forge_dagster.domain.policy import Policy
from forge_dagster.domain.releases import Manifest, cluster_name, slug
from forge_dagster.errors import PlatformError, ReleaseFailed
from forge_dagster.platforms.artifacts import digest, read_manifest, unpack
from forge_dagster.platforms.envoy_config import RoutedEnvironment, RunningRelease
from forge_dagster.platforms.envoy_proxy import EnvoyProxy
from forge_dagster.platforms.local_process import ProcessUse, answers, free_port, health_path, launch_of, log_tail
from forge_dagster.platforms.local_state import LocalState, unwritable, write_json
from forge_dagster.ports import Deployment, Program, ReleaseHealth, Supervision

STOP_WAIT_S = 10.0
WORKER_SETTLES_S = 2.0
"""A worker has no health check: it counts as started when it has run this long without ending."""

MAX_EXITS = 2
"""A release that ended by itself this often before it was healthy is given up."""


class LocalPlatform:
    """Platform "local". Its state is a file per environment, so any process of this home can go on where another stopped."""

    name = "local"
    weighted = True

    def __init__(self, *, home: Path, supervision: Supervision) -> None:
        self._home = home.absolute()
        self._supervision = supervision
        self._state = LocalState(home=home)
        self._proxy = EnvoyProxy(home=home, supervision=supervision)
        self._use = ProcessUse()

    # --- releases ----------------------------------------------------------------------------------------------------------

    def deploy(
        self, *, environment: str, release: str, artifact: Path, policy: Policy, log: Callable[[str], None]
    ) -> Deployment:
        """Start `release` at weight 0 beside what runs and wait until it is healthy.

        Raises PlatformError with the program's last output where it ends or does not become healthy in time; nothing of it
        is left then.
        """
        manifest = read_manifest(artifact)
        if manifest.kind == "library":
            raise PlatformError(f"{artifact.name} is a library: there is nothing to deploy")
        name = f"release-{slug(environment)}-{slug(release)}"[:120]
        known = self._state.load(environment).release(release)
        wanted = digest(artifact)
        if known is not None and known.digest == wanted and self._is_up(known):
            log(f"{release} runs already")
            return Deployment(id=release, url=self.url(environment), artifact=str(artifact))
        folder = self._home / "releases" / slug(environment) / slug(release)
        try:
            start = functools.partial(self._start, name=name, folder=folder, artifact=artifact, manifest=manifest)
            port = start(policy=policy, log=log, trusted=True)  # a person or the verdict has let it through
            running = RunningRelease(
                name=release, port=port, health=health_path(manifest, folder), artifact=str(artifact), digest=wanted,
                folder=str(folder), program=name,
            )  # fmt: skip
            self._register(environment, running, log)
        except PlatformError:
            self._discard(environment, release, name, folder)
            raise
        if port is None:
            log(f"{release} is a worker: it takes no traffic, so it cannot be canaried by weight (blue/green instead)")
        return Deployment(id=release, url=self.url(environment), artifact=str(artifact))

    def route(self, *, environment: str, weights: Mapping[str, int]) -> None:
        """Split the traffic: release -> percent, 100 in all (or nothing at all). Returns when Envoy does so.

        Raises PlatformError: unknown release, weights that do not sum to 100, Envoy does not take it.
        """
        given = {release: weight for release, weight in weights.items() if weight != 0}
        if given and (sum(given.values()) != 100 or min(given.values()) < 0):
            raise PlatformError(f"weights {dict(weights)} of {environment} do not sum to 100")
        with self._state.locked():
            routed = self._state.load(environment)
            unknown = sorted(set(given) - {release.name for release in routed.releases})
            if unknown:
                raise PlatformError(f"{environment} has no release {', '.join(unknown)}", hint="deploy it first")
            self._apply(routed.model_copy(update={"weights": given}))

    def weights(self, environment: str) -> Mapping[str, int]:
        """Release -> percent; releases at weight 0 are included."""
        routed = self._state.load(environment)
        return {release.name: routed.weights.get(release.name, 0) for release in routed.releases}

    def health(self, *, environment: str, release: str) -> ReleaseHealth:
        """From supervision (running, restarts), Envoy (healthy, in flight) and the process group (cpu, memory)."""
        known = self._state.load(environment).release(release)
        state = None if known is None else self._supervision.state(known.program)
        if known is None or state is None:
            return ReleaseHealth(running=False, healthy=False)
        cpu, memory = self._use.shares(state.pid) if state.pid else (None, None)
        if known.port is None:
            return ReleaseHealth(running=state.running, healthy=state.running, restarts=state.exits, cpu=cpu, memory=memory)
        gauges = self._gauges(environment, release)
        if gauges is None:  # Envoy is being restarted: ask the release itself
            healthy, in_flight = answers(known.port, known.health), 0
        else:
            healthy, in_flight = gauges["membership_healthy"] > 0, gauges["upstream_rq_active"]
        return ReleaseHealth(
            running=state.running,
            healthy=state.running and healthy,
            restarts=state.exits,
            in_flight=in_flight,
            cpu=cpu,
            memory=memory,
        )

    def drain(self, *, environment: str, release: str, timeout_s: float) -> bool:
        """Wait at weight 0 until nothing is in flight. False at the time limit."""
        routed = self._state.load(environment)
        known = routed.release(release)
        if known is None or known.port is None:
            return True
        if routed.weights.get(release, 0):
            raise PlatformError(
                f"{release} still takes {routed.weights[release]}% of {environment}", hint="route it to 0 first"
            )
        deadline = time.monotonic() + timeout_s
        quiet = 0
        while quiet < 3:  # a worker thread of Envoy may learn of the new weights some milliseconds after the others
            gauges = self._gauges(environment, release)
            busy = gauges is None or gauges["upstream_rq_active"] + gauges["upstream_rq_pending_active"] > 0
            quiet = 0 if busy else quiet + 1
            if quiet < 3 and time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def stop(self, *, environment: str, release: str) -> None:
        """Stop a drained release (its process first, then its cluster) and forget it. Refuses one that takes traffic."""
        routed = self._state.load(environment)
        if routed.weights.get(release, 0):
            raise PlatformError(
                f"{release} still takes {routed.weights[release]}% of {environment}", hint="route it to 0 first"
            )
        name = f"release-{slug(environment)}-{slug(release)}"[:120]
        self._discard(environment, release, name, self._home / "releases" / slug(environment) / slug(release))

    def url(self, environment: str) -> str:
        """Where the environment is reached: the same port for as long as this home exists."""
        with self._state.locked():
            return f"http://127.0.0.1:{self._state.load(environment, save=True).port}"

    # --- previews ----------------------------------------------------------------------------------------------------------

    def preview(self, *, name: str, artifact: Path, policy: Policy, log: Callable[[str], None]) -> Deployment:
        """Run the artifact under `name` at a port of its own, replacing an older one. Raises PlatformError as `deploy` does."""
        manifest = read_manifest(artifact)
        if manifest.kind == "library":
            raise PlatformError(f"{artifact.name} is a library: there is nothing to preview")
        program, folder = f"preview-{slug(name)}", self._home / "releases" / "previews" / slug(name)
        record = folder.with_suffix(".json")
        wanted = digest(artifact)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            before = json.loads(record.read_text())
            state = self._supervision.state(program)
            up = state is not None and state.running and (before["port"] is None or answers(before["port"], before["health"]))
            if before["digest"] == wanted and up:
                return _preview(name, before["port"], artifact)
        try:
            start = functools.partial(self._start, name=program, folder=folder, artifact=artifact, manifest=manifest)
            port = start(policy=policy, log=log, trusted=False)
            write_json(record, {"port": port, "digest": wanted, "health": health_path(manifest, folder), "name": name})
        except (PlatformError, OSError) as error:
            self.remove_preview(name=name)
            raise error if isinstance(error, PlatformError) else unwritable(folder, error) from error
        return _preview(name, port, artifact)

    def remove_preview(self, *, name: str) -> None:
        """Stop the preview and remove what it left; no-op when there is none."""
        folder = self._home / "releases" / "previews" / slug(name)
        self._supervision.stop(f"preview-{slug(name)}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(".json").unlink(missing_ok=True)

    # --- how ---------------------------------------------------------------------------------------------------------------

    def _start(
        self,
        *,
        name: str,
        folder: Path,
        artifact: Path,
        manifest: Manifest,
        policy: Policy,
        log: Callable[[str], None],
        trusted: bool,
    ) -> int | None:
        """Unpack, start and wait until it answers; its port (None: a worker). What is not `trusted` runs in a sandbox."""
        self._supervision.stop(name)
        try:
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "home").mkdir(mode=0o700, parents=True)
            unpack(artifact, folder / "tree")
        except OSError as error:
            raise unwritable(folder, error) from error
        for last in (False, True):
            port = free_port() if manifest.takes_traffic else None
            launch = launch_of(manifest, tree=folder / "tree", home=folder / "home", port=port, python=_python(), policy=policy)
            program = Program(
                name=name,
                argv=launch.argv,
                cwd=folder / "tree",
                environment=launch.environment,
                log=folder / "output.log",
                stop_wait_s=STOP_WAIT_S,
                trusted=trusted,
                writes=(folder / "home",),
                listens=() if port is None else (port,),
            )
            log(f"starting {name}" + ("" if port is None else f" on port {port}"))
            self._supervision.start(program)
            fault = self._await(program, port, health_path(manifest, folder), policy.deploy.start_timeout)
            if fault is None:
                return port
            self._supervision.stop(name)
            if last or port is None or not answers(port, "/", any_status=True):  # not a port taken by somebody else
                break
        raise ReleaseFailed(
            f"{name} {fault}; its last output:\n{log_tail(program.log)}",
            hint=f"it must listen on 127.0.0.1:$PORT and answer GET {health_path(manifest, folder)} with 2xx or 3xx",
        )

    def _await(self, program: Program, port: int | None, health: str, limit_s: float) -> str | None:
        """Wait for health; None, or what went wrong."""
        started = time.monotonic()
        while True:
            state = self._supervision.state(program.name)
            passed = time.monotonic() - started
            if state is not None and state.exits >= MAX_EXITS:
                return f"ended by itself {state.exits} times ({state.detail})"
            if state is not None and state.running and state.exits == 0:
                if port is None and passed >= WORKER_SETTLES_S:
                    return None
                if port is not None and answers(port, health):
                    return None
            if passed > limit_s:
                return f"did not answer {health} within {limit_s:.0f} s"
            time.sleep(0.05)

    def _register(self, environment: str, running: RunningRelease, log: Callable[[str], None]) -> None:
        with self._state.locked():
            routed = self._state.load(environment, save=True)
            others = tuple(release for release in routed.releases if release.name != running.name)
            self._apply(routed.model_copy(update={"releases": (*others, running)}))
        if running.port is None:
            return
        deadline = time.monotonic() + 10.0
        while (self._gauges(environment, running.name) or {"membership_healthy": 0})["membership_healthy"] == 0:
            if time.monotonic() > deadline:
                raise ReleaseFailed(f"{running.name} answers, but Envoy's health check of it does not pass")
            time.sleep(0.02)
        log(f"{running.name} is healthy, at weight 0")

    def _discard(self, environment: str, release: str, program: str, folder: Path) -> None:
        self._supervision.stop(program)
        with self._state.locked():
            routed = self._state.load(environment)
            if routed.release(release) is not None:
                rest = tuple(known for known in routed.releases if known.name != release)
                weights = {name: weight for name, weight in routed.weights.items() if name != release}
                self._apply(routed.model_copy(update={"releases": rest, "weights": weights}))
        shutil.rmtree(folder, ignore_errors=True)

    def _is_up(self, release: RunningRelease) -> bool:
        state = self._supervision.state(release.program)
        return state is not None and state.running and (release.port is None or answers(release.port, release.health))

    def _gauges(self, environment: str, release: str) -> dict[str, int] | None:
        names = ("membership_healthy", "upstream_rq_active", "upstream_rq_pending_active")
        return self._proxy.gauges(cluster_name(environment, release), *names)

    def _apply(self, routed: RoutedEnvironment) -> None:
        """Make it so in Envoy, then remember it: what is remembered is never ahead of what is in effect."""
        self._proxy.ensure()
        environments = {known.environment: known for known in self._state.all()} | {routed.environment: routed}
        self._proxy.apply(environments)
        self._state.save(routed)


def _python() -> str:
    return str(getattr(sys, "_base_executable", sys.executable))


def _preview(name: str, port: int | None, artifact: Path) -> Deployment:
    return Deployment(id=slug(name), url="" if port is None else f"http://127.0.0.1:{port}", artifact=str(artifact))


ADAPTER = LocalPlatform
