"""The test files that a runner is given which takes files by name: those asked for, else the script's, without some."""

import re
from collections.abc import Callable, Iterator, Sequence

from forge_dagster.domain.globs import matches
from forge_dagster.domain.places import inside
from forge_dagster.domain.sources import is_test
from forge_dagster.ports import ToolRequest
from forge_dagster.tools.tests import javascript_commands as commands


def given_files(
    request: ToolRequest,
    targets: Sequence[str],
    alone: tuple[str, str] | None = None,
    *,
    found: Callable[[str], bool] = is_test,
) -> tuple[str, ...]:
    """The files to give: those asked for; else the script's, its patterns expanded as the shell would, and all by name where
    some are to be left out. `found`: what the runner finds by itself where the script names nothing.
    """
    if alone is not None:
        return alone[:1]
    only, without = commands.chosen_files(request), set(commands.left_out(request))
    if only:
        return only
    given = [file for target in targets for file in _expanded(request, target)]
    if not without:
        return tuple(given)
    root = commands.directory(request)
    folders = {target.strip("/").removeprefix("./") for target in given}
    listed = [path for path in scripts(request) if path in folders or any(path.startswith(f"{f}/") for f in folders)]
    kept = listed if given else [path for path in scripts(request) if found(path)]
    return tuple(path for path in kept if str(root / path) not in without)


def scripts(request: ToolRequest) -> Iterator[str]:
    """The package's scripts, from its own folder."""
    node = request.project.node
    prefix = f"{node.directory}/" if node is not None and node.directory else ""
    for path in request.project.files:
        if path.startswith(prefix) and re.search(r"\.[cm]?[jt]sx?$", path) and not path.endswith(".d.ts"):
            yield path[len(prefix) :]


def place_of(request: ToolRequest, name: str) -> str | None:
    """A file of the package, by its path from the package's folder, as a path from the repository's root."""
    node = request.project.node
    found = inside(request.root, name, directory=node.directory if node is not None else "")
    return found if found in request.project.files else None


def _expanded(request: ToolRequest, target: str) -> list[str]:
    if not re.search(r"[*?{\[]", target):
        return [target]
    patterns = [pattern.removeprefix("./") for pattern in _alternatives(target)]
    return [path for path in scripts(request) if any(matches(path, f"/{pattern}") for pattern in patterns)] or [target]


def _alternatives(pattern: str, *, most: int = 64) -> list[str]:
    """The pattern without braces: a{b,c} is ab and ac."""
    done: list[str] = []
    open_ = [pattern]
    while open_ and len(done) + len(open_) <= most:
        text = open_.pop(0)
        found = re.search(r"\{([^{}]*)\}", text)
        if found is None:
            done.append(text)
            continue
        open_ += [text[: found.start()] + part + text[found.end() :] for part in found[1].split(",")]
    return done or [pattern]
