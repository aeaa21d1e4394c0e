"""What a Python repository's task runners run, as written in tox, nox, Hatch, PDM, Poe, taskipy, make, in shell scripts in its
folder `scripts` and in its GitHub workflows: read, never run.

Commands that are computed (substitutions, conditions in code, variables without a plain value) stay unseen.
"""

import ast
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from forge_dagster.domain.project import Task
from forge_dagster.workspace.requirements import parse_ini, table

_LIMIT = 400
"""Commands kept of a repository."""
_LENGTH = 2_000
_FILES = 20
"""Scripts, and workflows, that are read."""
_SCRIPT = re.compile(r"scripts/[\w.-]*?(?:\.sh)?(?<!\.py)(?<!\.js)(?<!\.ts)(?<!\.json)(?<!\.md)")
_WORKFLOW = re.compile(r"\.github/workflows/[\w.-]+\.ya?ml")
_RUN = re.compile(r"\s*(?:- +)?(?P<key>run): *(?P<text>.+)")
_ASSIGNED = re.compile(r"(?:export +)?(?P<name>[A-Za-z_]\w*)=(?P<value>\"[^\"$`]*\"|'[^']*'|[^\s\"'$`;|&]*)")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_POSARGS = re.compile(r"\{posargs(?::([^{}]*))?\}")
_HERE = re.compile(r"\{(?:toxinidir|tox_root)\}(?:[/\\]|\{/\})?")
_FACTOR = re.compile(r"^[\w.,!-]+: +")

Read = Callable[[str], str | None]


def task_commands(pyproject: Mapping[str, Any], read: Read, files: Iterable[str] = ()) -> tuple[Task, ...]:
    """Every command, in the order of the files; at most _LIMIT. `read` gives None for what is not in the tree.

    `files` are the paths below the project, for its scripts and workflows.
    """
    found: list[Task] = []
    for source, text in (*_all(pyproject, read), *_scripts(files, read), *_workflows(files, read)):
        plain = _plain(text)
        if plain and len(found) < _LIMIT:
            found.append(Task(source=source, text=plain))
    return tuple(dict.fromkeys(found))


def _plain(text: str) -> str:
    """The command with tox's substitutions made that can be; "" for one that is computed."""
    text = _HERE.sub("", _POSARGS.sub(lambda match: match[1] or "", text)).strip().removeprefix("- ").strip()
    return "" if not text or len(text) > _LENGTH or re.search(r"[{}$`]", text) else text


def _all(pyproject: Mapping[str, Any], read: Read) -> Iterator[tuple[str, str]]:
    legacy = table(pyproject, "tool", "tox").get("legacy_tox_ini")
    for source, text in (("tox.ini", read("tox.ini")), ("setup.cfg", read("setup.cfg")), ("pyproject.toml", legacy)):
        yield from _tox_ini(source, text if isinstance(text, str) else "")
    yield from _tox_toml(table(pyproject, "tool", "tox"))
    yield from _nox(read("noxfile.py") or "")
    for name in table(pyproject, "tool", "hatch", "envs"):
        scripts = table(pyproject, "tool", "hatch", "envs", name, "scripts")
        yield from ((f"hatch environment {name}", text) for value in scripts.values() for text in _texts(value))
    for tool, keys in (("pdm", ("scripts",)), ("poe", ("tasks",)), ("taskipy", ("tasks",))):
        tasks = table(pyproject, "tool", tool, *keys)
        yield from ((f"{tool} task {name}", text) for name, value in tasks.items() for text in _texts(value))
    yield from _make(read("Makefile") or "")


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for key in ("cmd", "shell", "composite", "sequence") for text in _texts(value.get(key))]
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []


def _tox_ini(source: str, text: str) -> Iterator[tuple[str, str]]:
    for section, values in parse_ini(text).items():
        if section.partition(":")[0] != "testenv":
            continue
        lines = values.get("commands", "").replace("\\\n", " ").splitlines()
        yield from ((f"{source} [{section}]", _FACTOR.sub("", line.strip())) for line in lines)


def _tox_toml(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in table(content, "env"):
        commands = table(content, "env", name).get("commands")
        for words in commands if isinstance(commands, list) else []:
            if isinstance(words, list) and all(isinstance(word, str | dict) for word in words):
                yield f"tox environment {name}", shlex.join(word for word in words if isinstance(word, str))


def _nox(text: str) -> Iterator[tuple[str, str]]:
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return
    for function in (node for node in module.body if isinstance(node, ast.FunctionDef)):
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "run":
                words = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
                if len(words) == len(call.args) and all(isinstance(word, str) for word in words):
                    yield f"nox session {function.name}", shlex.join(str(word) for word in words)


def _make(text: str) -> Iterator[tuple[str, str]]:
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("\t"):
            yield "Makefile", line.strip().lstrip("@-+ ")


def _scripts(files: Iterable[str], read: Read) -> Iterator[tuple[str, str]]:
    for name in [name for name in files if _SCRIPT.fullmatch(name)][:_FILES]:
        lines = [line.strip() for line in (read(name) or "").replace("\\\n", " ").splitlines()]
        assigned = [match for line in reversed(lines) if (match := _ASSIGNED.fullmatch(line))]
        values = {match["name"]: match["value"].strip("\"'") for match in assigned}
        yield from (
            (name, _filled(line, values)) for line in lines if not line.startswith("#") and not _ASSIGNED.fullmatch(line)
        )


def _filled(line: str, values: Mapping[str, str]) -> str:
    """A line of a script with the variables that have a plain value (the first, where there are several)."""
    return _VARIABLE.sub(lambda match: values.get(match[1] or match[2], match[0]), line)


def _workflows(files: Iterable[str], read: Read) -> Iterator[tuple[str, str]]:
    """The `run` steps; of a workflow that changes folders none, since where they run cannot be told."""
    for name in [name for name in files if _WORKFLOW.fullmatch(name)][:_FILES]:
        text = (read(name) or "").replace("\\\n", " ")
        block: int | None = None
        for line in text.splitlines() if "working-directory" not in text else []:
            indent = len(line) - len(line.lstrip())
            step = _RUN.fullmatch(line)
            if step is not None:
                block = step.start("key") if step["text"][:1] in ("|", ">") else None
                if block is None:
                    yield name, step["text"]
            elif block is not None and line.strip() and indent <= block:
                block = None
            elif block is not None and line.strip() and not line.lstrip().startswith("#"):
                yield name, line.strip()
