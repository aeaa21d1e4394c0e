"""`forge.toml`: what a repository asks of its changes. Read from the base revision, never from the change."""

import difflib
import hashlib
import tomllib
from collections.abc import Collection, Iterable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, field_validator

from forge_dagster.domain.foreign import load_toml
from forge_dagster.domain.graph import GATES
from forge_dagster.domain.policy_gates import (
    SECTIONS,
    CoverageSection,
    Duration,
    GateSection,
    LightSection,
    Section,
    ServiceSection,
    seconds,
)
from forge_dagster.errors import ConfigurationError

POLICY_FILE = "forge.toml"
POLICY_LIMIT = 256 * 1024
"""Characters of a forge.toml that is read at all: far above any that people write."""
_S = TypeVar("_S", bound=GateSection)


class ProjectSection(Section):
    """[project]"""

    kind: Literal["static", "service", "worker", "container", "infrastructure"] | None = None
    install_scripts: bool = False
    """Whether npm, pnpm and Yarn run the install scripts of packages: code that runs before any gate has judged it."""


class RiskSection(Section):
    """[risk]: patterns as in .gitignore, `**` across folders. Defaults are the specification's classes (stage 6)."""

    low: tuple[str, ...] = (
        "docs/**", "**/*.md", "**/*.rst", "**/*.txt", "LICENSE*", "tests/**", "test/**", "**/tests/**", "**/__tests__/**",
        "**/test_*.py", "**/*_test.py", "**/*.test.*", "**/*.spec.*", "**/.editorconfig", "**/.prettierrc*", "**/.gitignore",
    )  # fmt: skip
    config: tuple[str, ...] = ("**/*.toml", "**/*.yaml", "**/*.yml", "**/*.ini", "**/*.cfg", "**/*.json")
    high: tuple[str, ...] = (
        "**/auth/**", "**/auth*.*", "**/payments/**", "**/payment*.*", "**/billing/**", "**/migrations/**", "**/*.sql",
        "infrastructure/**", "infra/**", "terraform/**", "k8s/**", "**/Dockerfile*", "**/docker-compose*", ".github/**",
        ".gitlab-ci.yml", "Makefile", "CODEOWNERS", "**/CODEOWNERS", "forge.toml", "**/requirements*.txt", "**/*.lock",
        "**/package-lock.json", "**/pnpm-lock.yaml", "**/.gitattributes", "**/conftest.py",
    )  # fmt: skip
    critical: tuple[str, ...] = ("**/auth/**", "**/auth*.*", "**/payments/**", "**/payment*.*", "forge.toml", ".github/**")


class RolloutStep(Section):
    """One step: `weight` percent of the traffic for `bake` seconds."""

    weight: int = Field(ge=1, le=100)
    bake: Duration = 0.0


class RolloutSection(Section):
    """[deploy.rollout]; specification, stage 7."""

    steps: tuple[RolloutStep, ...] = (
        RolloutStep(weight=5, bake=600.0),
        RolloutStep(weight=25, bake=600.0),
        RolloutStep(weight=100),
    )
    interval: Annotated[float, BeforeValidator(seconds), Field(gt=0)] = 10.0
    """Seconds between two looks of the judge."""

    @field_validator("steps")
    @classmethod
    def _rise_to_all(cls, steps: tuple[RolloutStep, ...]) -> tuple[RolloutStep, ...]:
        weights = [step.weight for step in steps]
        if weights != sorted(set(weights)) or weights[-1:] != [100]:
            raise ValueError("weights must rise from step to step and end at 100")
        return steps


class RollbackSection(Section):
    """[deploy.rollback]: multiples of the baseline for error rate and p99 latency; shares of a limit for cpu and memory."""

    error_rate: float = Field(default=2.0, ge=1)
    p99_latency: float = Field(default=3.0, ge=1)
    cpu: float = Field(default=0.8, gt=0, le=1)
    memory: float = Field(default=0.8, gt=0, le=1)


class DeploySection(Section):
    """[deploy]. `command` is an argument list; "{port}" in it stands for the port to listen on (also in $PORT)."""

    platform: str = "local"
    command: tuple[str, ...] = ()
    health: str = Field(default="/health", pattern=r"^/[^\s]*$")
    critical_paths: tuple[Annotated[str, Field(pattern=r"^/[^\s]*$")], ...] = ("/",)
    start_timeout: Duration = 30.0
    rollout: RolloutSection = RolloutSection()
    rollback: RollbackSection = RollbackSection()


class Policy(Section):
    """The whole of `forge.toml`. Every part is optional; an absent file is `Policy()`."""

    project: ProjectSection = ProjectSection()
    gates: dict[str, GateSection] = Field(default_factory=dict)
    risk: RiskSection = RiskSection()
    trust: dict[str, Any] = Field(default_factory=dict)
    deploy: DeploySection = DeploySection()
    light: LightSection = LightSection()
    services: dict[str, ServiceSection] = Field(default_factory=dict)

    def gate(self, name: str) -> GateSection:
        """The section of the gate called `name`, defaults where the file says nothing."""
        return self.gates.get(name) or SECTIONS.get(name, GateSection)()

    def section(self, name: str, kind: type[_S]) -> _S:
        """The section of `name` as its own kind, such as MutationSection. Raises TypeError for a gate of another kind."""
        section = self.gate(name)
        if not isinstance(section, kind):
            raise TypeError(f"[gates.{name}] is a {type(section).__name__}")
        return section

    @property
    def coverage(self) -> CoverageSection:
        """[gates.coverage]."""
        return self.section("coverage", CoverageSection)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean "x"?)`, or nothing when no known name is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f' (did you mean "{near[0]}"?)' if near else ""


def _gate_sections(gates: object, tools: Collection[str] | None, where: str) -> dict[str, GateSection]:
    known = [spec.name for spec in GATES]
    if not isinstance(gates, dict):
        raise ConfigurationError(f"{where}: [gates] is not a table", hint="write [gates.<gate>] sections")
    sections: dict[str, GateSection] = {}
    for name, body in gates.items():
        if name not in known:
            hint = f"known gates: {', '.join(known)}"
            raise ConfigurationError(f'{where}: there is no gate "{name}"{did_you_mean(name, known)}', hint=hint)
        try:
            section = SECTIONS.get(name, GateSection).model_validate(body)
        except ValidationError as error:
            raise _explain(error, where, name) from error
        for tool in section.tools or ():
            if tools is not None and tool not in tools:
                hint = f"known tools: {', '.join(sorted(tools))}"
                raise ConfigurationError(
                    f'{where}: [gates.{name}] there is no tool "{tool}"{did_you_mean(tool, tools)}', hint=hint
                )
        sections[name] = section
    return sections


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """Names allowed beside the key at `location`, for "did you mean"."""
    model: Any = Policy
    for part in location[:-1]:
        field = model.model_fields.get(str(part)) if isinstance(model, type) and issubclass(model, BaseModel) else None
        model = field.annotation if field is not None else None
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _explain(error: ValidationError, where: str, gate: str = "") -> ConfigurationError:
    first = error.errors()[0]
    location = first["loc"]
    path = ".".join([*(["gates", gate] if gate else []), *map(str, location)])
    if first["type"] == "extra_forbidden":
        known = list(SECTIONS.get(gate, GateSection).model_fields) if gate else _known_keys(location)
        return ConfigurationError(
            f'{where}: unknown key "{path}"{did_you_mean(str(location[-1]), known)}', hint="remove it or correct its name"
        )
    return ConfigurationError(f"{where}: {path}: {first['msg']}", hint=f"correct {path} in {POLICY_FILE}")


def parse_policy(
    text: str,
    *,
    tools: Collection[str] | None = None,
    platforms: Collection[str] | None = None,
    where: str = POLICY_FILE,
) -> Policy:
    """Read `forge.toml`. `tools` and `platforms` are the registry's names (None: not checked); `where` starts each message.

    Raises ConfigurationError for broken TOML, an unknown key, gate, tool or platform, or a value out of range.
    """
    if len(text) > POLICY_LIMIT:
        raise ConfigurationError(f"{where} is larger than {POLICY_LIMIT // 1024} KiB", hint="make it smaller")
    try:
        data = load_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{where} is not valid TOML: {error}", hint="correct the file; forge check shows the same"
        ) from error
    gates = data.pop("gates", {})
    sections = _gate_sections(gates, tools, where)
    try:
        policy = Policy.model_validate({**data, "gates": {}})
    except ValidationError as error:
        raise _explain(error, where) from error
    name = policy.deploy.platform
    if platforms is not None and name != DeploySection().platform and name not in platforms:
        hint = f"known platforms: {', '.join(sorted(platforms))}"
        raise ConfigurationError(f'{where}: [deploy] there is no platform "{name}"{did_you_mean(name, platforms)}', hint=hint)
    known = [spec.name for spec in GATES]
    for name in policy.light.gates:
        if name not in known:
            hint = f"known gates: {', '.join(known)}"
            raise ConfigurationError(f'{where}: [light] there is no gate "{name}"{did_you_mean(name, known)}', hint=hint)
    return policy.model_copy(update={"gates": sections})


def policy_digest(text: str) -> str:
    """Identifies the policy a change is judged under: SHA-256 of the file's text ("" for an absent file), 64 hex digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
