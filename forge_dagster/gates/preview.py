"""Gate `preview`: what was built runs, at an address of its own, which is the same for all revisions of one pull request."""

from dataclasses import dataclass
from pathlib import Path

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Outcome
from forge_dagster.domain.previews import preview_name
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.errors import ReleaseFailed
from forge_dagster.ports import GateContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The gate."""

    name: str = "preview"

    def examine(self, context: GateContext) -> GateResult:
        """Start the artifact on the policy's platform. Raises PlatformError when the platform is at fault."""
        build = context.results.get("build")
        if build is None:
            return gate_result(self.name, Outcome.ERRORED, reason="build left no result\n  -> run the gate build first")
        artifact = build.artifacts.get("artifact")
        if artifact is None:
            return gate_result(self.name, Outcome.SKIPPED, reason=f"nothing to deploy: {build.reason}")
        if build.artifacts.get("kind") == "library":
            return gate_result(self.name, Outcome.SKIPPED, reason="nothing to deploy: what was built is a library")
        if context.platform is None:
            hint = "name a platform that is installed under [deploy] in forge.toml"
            reason = f'there is no platform "{context.policy.deploy.platform}"\n  -> {hint}'
            return gate_result(self.name, Outcome.ERRORED, reason=reason)
        try:
            running = context.platform.preview(
                name=preview_name(context.change.repository, context.change.number),
                artifact=Path(artifact),
                policy=context.policy,
                log=context.log,
            )
        except ReleaseFailed as error:
            finding = Finding(
                tool=self.name,
                rule="does-not-start",
                category=Category.DEPLOY,
                attribution=Attribution.NEW,
                message=error.message,
                suggested_fix=error.hint or "start it by hand with the command of [deploy] in forge.toml",
            )
            return gate_result(self.name, Outcome.FAILED, reason="what was built does not start", findings=(finding,))
        if not running.url:
            return gate_result(self.name, Outcome.PASSED, reason="it runs; it takes no requests")
        return gate_result(self.name, Outcome.PASSED, reason=f"it runs at {running.url}", links={"preview": running.url})


ADAPTER = Preview()
