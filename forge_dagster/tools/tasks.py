"""How a Python repository's own tasks (tox, nox, Hatch, make ...) call a program."""

from collections.abc import Sequence

from forge_dagster.domain.project import Project
from forge_dagster.tools.scripts import Invocation, Step, text_steps

_INTERPRETERS = ("python", "python3", "{envpython}")


def python_calls(project: Project, program: str) -> tuple[Invocation, ...]:
    """Every different call of `program`, also as `python -m program`, in the order of the tasks."""
    tasks = project.python.tasks if project.python is not None else ()
    found = [call for task in tasks for call in _calls(text_steps(task.source, task.text), program)]
    return tuple({call.arguments: call for call in found}.values())


def called(project: Project, program: str) -> str | None:
    """Why a task shows that the repository uses `program`, or None."""
    found = next(iter(python_calls(project, program)), None)
    return None if found is None else f"{found.script} runs {program}"


def _calls(steps: Sequence[Step], program: str) -> list[Invocation]:
    found = []
    if any(step.program == "cd" for step in steps):
        return []
    for step in steps:
        arguments = step.call.arguments
        if step.program == program:
            found.append(step.call)
        elif step.program in _INTERPRETERS and arguments[:2] == ("-m", program):
            found.append(Invocation(script=step.call.script, arguments=arguments[2:]))
    return found
