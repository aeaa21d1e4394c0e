"""The sections [gates.<gate>] of `forge.toml`: what each gate may be told."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

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


class Section(BaseModel):
    """A table of `forge.toml`; an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GateSection(Section):
    """[gates.<gate>], common to all gates."""

    enabled: bool = True
    timeout: Duration = 600.0
    tools: tuple[str, ...] | None = None


class CoverageSection(GateSection):
    """[gates.coverage]; percentages."""

    new_lines: float = Field(default=90.0, ge=0, le=100)
    new_branches: float = Field(default=80.0, ge=0, le=100)
    allow_decrease: bool = False


class PropertySection(GateSection):
    """[gates.property]. `seed`: always this seed; else one is drawn from the head's tree, recorded and shown."""

    seed: int | None = Field(default=None, ge=0, lt=2**31)


class IntegrationSection(GateSection):
    """[gates.integration]. `openapi`: path of the OpenAPI document (else detected); `max_examples` per operation."""

    timeout: Duration = 900.0
    openapi: str | None = None
    max_examples: int = Field(default=25, ge=1, le=10_000)


class SastSection(GateSection):
    """[gates.sast]. `rules`: the repository's own rule files or folders, and registry packs such as "p/python"."""

    rules: tuple[str, ...] = ()


class ScaSection(GateSection):
    """[gates.sca]. The least severity that fails (specification: `npm audit --audit-level=high`), and advisories accepted."""

    fail_on: Literal["low", "moderate", "high", "critical"] = "high"
    accept: tuple[str, ...] = ()
    """Advisory ids (GHSA-..., CVE-..., PYSEC-...) that a person has looked at and accepted."""


class MutationSection(GateSection):
    """[gates.mutation]: minimum score in percent (specification, stage 3), and the seconds after which a sample has to do."""

    timeout: Duration = 1800.0
    minimum: float = Field(default=75.0, ge=0, le=100)
    budget: Duration = 300.0


class ArchitectureSection(GateSection):
    """[gates.architecture]. `cycles`: whether import cycles that a change adds fail it."""

    cycles: bool = True


class ReviewSection(GateSection):
    """[gates.review], off unless a repository asks for it; who reviews is the operator's setting.

    `max_diff`: characters of the diff that the reviewer is given at most.
    """

    enabled: bool = False
    timeout: Duration = 300.0
    max_diff: int = Field(default=60_000, ge=1_000, le=1_000_000)


SECTIONS: dict[str, type[GateSection]] = {
    "coverage": CoverageSection,
    "property": PropertySection,
    "integration": IntegrationSection,
    "sast": SastSection,
    "sca": ScaSection,
    "mutation": MutationSection,
    "architecture": ArchitectureSection,
    "review": ReviewSection,
}
"""Gate -> its own kind of section; any other gate has a GateSection."""


class LightSection(Section):
    """[light]: a change of nothing but `paths` takes the light path, on which only `gates` look at it.

    Defaults are the specification's ("Skip on docs-only: paths-ignore"). No `gates`: there is no light path.
    """

    paths: tuple[str, ...] = ("**/*.md", "docs/**", "**/*.rst", "LICENSE", "LICENSE.txt")
    gates: tuple[str, ...] = ("format", "secrets", "integrity")


class ServiceSection(Section):
    """[services.<name>]: what integration tests need beside them, started for each run and stopped with it.

    kind "postgres" is a PostgreSQL of Forge's own, cloned from a template; its address is in $DATABASE_URL (and PG*).
    kind "command" runs `command` with "{port}" and $PORT a free port; it is there once the port answers (or `ready`, a path,
    answers 2xx), and tests find it in `variable` as `url` with "{port}" filled in.
    """

    kind: Literal["postgres", "command"] = "command"
    command: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    ready: str | None = Field(default=None, pattern=r"^/[^\s]*$")
    start_timeout: Duration = 30.0
    variable: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9_]*$")
    url: str = "http://127.0.0.1:{port}"
    setup: tuple[tuple[str, ...], ...] = ()
    """Argument lists run once in the repository's environment before the tests, such as migrations."""
