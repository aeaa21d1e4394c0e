"""Reading what tools print: every shape that is not expected is an error, never an empty list of faults."""

import functools
import posixpath
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.places import inside
from forge_dagster.ports import ToolOutput, ToolReport, ToolRequest

_T = TypeVar("_T")
Judge = Callable[[_T, ToolRequest, Sequence[ToolOutput]], ToolReport]


class Unreadable(ValueError):
    """What a tool wrote cannot be believed; the message says why."""


def careful(judge: "Judge[_T]") -> "Judge[_T]":
    """Make a `judge` that raises nothing: whatever it stumbles over is ERRORED."""

    @functools.wraps(judge)
    def guarded(tool: _T, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        code = outputs[0].result.exit_code if outputs else None
        try:
            return judge(tool, request, outputs)
        except Unreadable as error:
            return ToolReport(outcome=Outcome.ERRORED, reason=str(error), exit_code=code)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
            name = getattr(tool, "name", "the tool")
            reason = f"{name}: its report cannot be read ({type(error).__name__}); run it by hand to see what it prints"
            return ToolReport(outcome=Outcome.ERRORED, reason=reason, exit_code=code)

    return guarded


def text(content: bytes) -> str:
    """Output as text; what is no UTF-8 is shown as U+FFFD."""
    return content.decode("utf-8", "replace")


def json_list(content: bytes, what: str) -> list[Any]:
    """A JSON array. Raises Unreadable."""
    found = _json(content, what)
    if not isinstance(found, list):
        raise Unreadable(f"{what} is not a list")
    return found


def json_object(content: bytes, what: str) -> dict[str, Any]:
    """A JSON object. Raises Unreadable."""
    found = _json(content, what)
    if not isinstance(found, dict):
        raise Unreadable(f"{what} is not an object")
    return found


def _json(content: bytes, what: str) -> Any:
    if not content.strip():
        raise Unreadable(f"{what} is empty")
    try:
        return load_json(content)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{what} is not JSON ({error})") from error


def counted(value: object) -> int:
    """A number of things. Raises Unreadable for anything but a whole number from 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Unreadable(f"{str(value)[:40]!r} is not a count")
    return value


def position(value: object) -> int | None:
    """A line or column from 1, or None where a tool has none (some say 0)."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else None


def place(request: ToolRequest, name: str, *, directory: str = "") -> str:
    """The path of a finding: relative to the root, or absolute where it lies outside (the gate then takes the place away)."""
    return inside(request.root, name, directory=directory) or posixpath.join("/", name)


def report(outcome: Outcome, output: ToolOutput, **rest: Any) -> ToolReport:
    """A ToolReport with the exit code of `output`."""
    return ToolReport(outcome=outcome, exit_code=output.result.exit_code, **rest)


def complaint(output: ToolOutput, *, limit: int = 500) -> str:
    """What a tool said when it refused to work: the beginning of its stderr, else of its stdout, on one line."""
    for content in (output.result.stderr, output.result.stdout):
        lines = [line.strip() for line in text(content[:8192]).splitlines() if line.strip()]
        if lines:
            return " ".join(lines)[:limit]
    return "it printed nothing"
