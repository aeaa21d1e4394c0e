"""`forge.toml`: what a repository asks of its changes. Read from the base revision, never from the change."""

import difflib
import hashlib
import re
import tomllib
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from forge_dagster.domain.graph import GATES
from forge_dagster.errors import ConfigurationError

POLICY_FILE = "forge.toml"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(value: object) -> float:
    """A duration as people write it, in seconds: 90, "90s", "10m", "1h", "250ms". Raises ValueError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
    else:
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h)\s*", str(value))
        if match is None:
            raise ValueError(f'{value!r} is not a duration such as "90s", "10m" or "1h"')
        number = float(match[1]) * _UNITS[match[2]]
    if not 0 <= number <= 7 * 86400:
        raise ValueError("a duration is between 0 and 7 days")
    return number


Duration = Annotated[float, BeforeValidator(seconds)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProjectSection(_Section):
    """[project]"""

    kind: Literal["static", "service", "worker", "container", "infrastructure"] | None = None


class GateSection(_Section):
    """[gates.<gate>], common to all gates."""

    enabled: bool = True
    timeout: Duration = 600.0
    tools: tuple[str, ...] | None = None


class CoverageSection(GateSection):
    """[gates.coverage]; percentages."""

    new_lines: float = Field(default=90.0, ge=0, le=100)
    new_branches: float = Field(default=80.0, ge=0, le=100)
    allow_decrease: bool = False


class RiskSection(_Section):
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


class RolloutStep(_Section):
    """One step: `weight` percent of the traffic for `bake` seconds."""

    weight: int = Field(ge=1, le=100)
    bake: Duration = 0.0


class RolloutSection(_Section):
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


class RollbackSection(_Section):
    """[deploy.rollback]: multiples of the baseline for error rate and p99 latency; shares of a limit for cpu and memory."""

    error_rate: float = Field(default=2.0, ge=1)
    p99_latency: float = Field(default=3.0, ge=1)
    cpu: float = Field(default=0.8, gt=0, le=1)
    memory: float = Field(default=0.8, gt=0, le=1)


class DeploySection(_Section):
    """[deploy]. `command` is an argument list; "{port}" in it stands for the port to listen on (also in $PORT)."""

    platform: str = "local"
    command: tuple[str, ...] = ()
    health: str = Field(default="/health", pattern=r"^/[^\s]*$")
    critical_paths: tuple[Annotated[str, Field(pattern=r"^/[^\s]*$")], ...] = ("/",)
    start_timeout: Duration = 30.0
    rollout: RolloutSection = RolloutSection()
    rollback: RollbackSection = RollbackSection()


class Policy(_Section):
    """The whole of `forge.toml`. Every part is optional; an absent file is `Policy()`."""

    project: ProjectSection = ProjectSection()
    gates: dict[str, GateSection] = Field(default_factory=dict)
    risk: RiskSection = RiskSection()
    trust: dict[str, Any] = Field(default_factory=dict)
    deploy: DeploySection = DeploySection()

    def gate(self, name: str) -> GateSection:
        """The section of the gate called `name`, defaults where the file says nothing."""
        return self.gates.get(name, CoverageSection() if name == "coverage" else GateSection())

    @property
    def coverage(self) -> CoverageSection:
        """[gates.coverage]."""
        section = self.gate("coverage")
        assert isinstance(section, CoverageSection)
        return section


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean "x"?)`, or nothing when no known name is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f' (did you mean "{near[0]}"?)' if near else ""


def _gate_sections(gates: object, tools: frozenset[str], where: str) -> dict[str, GateSection]:
    known = [spec.name for spec in GATES]
    if not isinstance(gates, dict):
        raise ConfigurationError(f"{where}: [gates] is not a table", hint="write [gates.<gate>] sections")
    sections: dict[str, GateSection] = {}
    for name, body in gates.items():
        if name not in known:
            hint = f"known gates: {', '.join(known)}"
            raise ConfigurationError(f'{where}: there is no gate "{name}"{did_you_mean(name, known)}', hint=hint)
        try:
            section = (CoverageSection if name == "coverage" else GateSection).model_validate(body)
        except ValidationError as error:
            raise _explain(error, where, f"gates.{name}") from error
        for tool in section.tools or ():
            if tools and tool not in tools:
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


def _explain(error: ValidationError, where: str, prefix: str = "") -> ConfigurationError:
    first = error.errors()[0]
    location = first["loc"]
    path = ".".join([*([prefix] if prefix else []), *map(str, location)])
    if first["type"] == "extra_forbidden":
        known = _known_keys(location) if not prefix else list(CoverageSection.model_fields)
        return ConfigurationError(
            f'{where}: unknown key "{path}"{did_you_mean(str(location[-1]), known)}', hint="remove it or correct its name"
        )
    return ConfigurationError(f"{where}: {path}: {first['msg']}", hint=f"correct {path} in {POLICY_FILE}")


def parse_policy(
    text: str, *, tools: frozenset[str] = frozenset(), platforms: frozenset[str] = frozenset(), where: str = POLICY_FILE
) -> Policy:
    """Read `forge.toml`. `tools` and `platforms` are the registry's names (empty: not checked); `where` starts each message.

    Raises ConfigurationError for broken TOML, an unknown key, gate, tool or platform, or a value out of range.
    """
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(
            f"{where} is not valid TOML: {error}", hint="correct the file; forge check shows the same"
        ) from error
    gates = data.pop("gates", {})
    sections = _gate_sections(gates, tools, where)
    try:
        policy = Policy.model_validate({**data, "gates": {}})
    except ValidationError as error:
        raise _explain(error, where) from error
    if platforms and policy.deploy.platform not in platforms:
        name = policy.deploy.platform
        hint = f"known platforms: {', '.join(sorted(platforms))}"
        raise ConfigurationError(f'{where}: [deploy] there is no platform "{name}"{did_you_mean(name, platforms)}', hint=hint)
    return policy.model_copy(update={"gates": sections})


def policy_digest(text: str) -> str:
    """Identifies the policy a change is judged under: SHA-256 of the file's text ("" for an absent file), 64 hex digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
