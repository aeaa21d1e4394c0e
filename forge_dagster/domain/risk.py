"""How much harm a change can do, by the paths it touches (specification, stage 6)."""

from collections.abc import Iterable

from forge_dagster.domain.decisions import Risk, RiskLevel
from forge_dagster.domain.globs import matches
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.policy import RiskSection

MAX_REASONS = 10


def classify(paths: Iterable[str], section: RiskSection) -> Risk:
    """The risk of touching `paths`: one high path makes all HIGH, only low paths make LOW, anything else is MEDIUM.

    Doubt goes upwards: high and critical patterns also fit folders and ignore case, low and configuration patterns fit only
    the very path. A critical path is HIGH even if no high pattern says so. Reasons name path and pattern, ten at most.
    """
    high: list[str] = []
    medium: list[str] = []
    low: list[str] = []
    critical = config = False
    for path in dict.fromkeys(paths):
        shown = one_line(path)
        is_critical = _first(path, section.critical, cautious=True)
        pattern = is_critical or _first(path, section.high, cautious=True)
        critical = critical or is_critical is not None
        if pattern is not None:
            high.append(f"{shown} is {'critical' if is_critical else 'high risk'} ({pattern})")
        elif (pattern := _first(path, section.low)) is not None:
            low.append(f"{shown} is low risk ({pattern})")
        elif (pattern := _first(path, section.config)) is not None:
            low.append(f"{shown} is configuration ({pattern})")
            config = True
        else:
            medium.append(f"{shown} is code")
    if high:
        return Risk(level=RiskLevel.HIGH, reasons=_bounded(high), critical=critical)
    if medium:
        return Risk(level=RiskLevel.MEDIUM, reasons=_bounded(medium))
    return Risk(level=RiskLevel.LOW, reasons=_bounded(low) or ("no files",), config_only=config)


def _first(path: str, patterns: tuple[str, ...], *, cautious: bool = False) -> str | None:
    return next((p for p in patterns if matches(path, p, below=cautious, ignore_case=cautious)), None)


def _bounded(reasons: list[str]) -> tuple[str, ...]:
    if len(reasons) <= MAX_REASONS:
        return tuple(reasons)
    return (*reasons[: MAX_REASONS - 1], f"and {len(reasons) - MAX_REASONS + 1} more")
