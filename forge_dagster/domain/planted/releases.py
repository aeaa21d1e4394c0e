"""Faults in what is built and deployed: a build that cannot work, a release that does not come up, one that answers wrongly."""

import json
import posixpath
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from forge_dagster.domain.deliverables import is_python_package, unsupported
from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.planted.code import Draw
from forge_dagster.domain.planted.entries import Entry, entry_of
from forge_dagster.domain.planted.faults import Fault, Piece, Unplanted
from forge_dagster.domain.planted.sites import Read, owner
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import Language, Project

RELEASED = ("build", "preview", "smoke")
"""Gates that look at what would be deployed."""

_DEPENDENCIES = re.compile(r"^([ \t]*dependencies\s*=\s*\[)", re.MULTILINE)
_PROJECT = re.compile(r"^[ \t]*\[project\][ \t]*(#.*)?$", re.MULTILINE)
_BUILD_SYSTEM = re.compile(r"^[ \t]*\[build-system\][ \t]*(#.*)?$(\n(?![ \t]*\[\[?[\w\"']).*$)*", re.MULTILINE)
_NOWHERE = "forge-planted-{m} @ file:///forge-planted-{m}"
"""A requirement that nobody has to be asked about: no file is there."""
_BROKEN_BACKEND = '[build-system]\nrequires = []\nbuild-backend = "forge_planted_{m}"'
_UNLOCKED = "forge planted {m}\n"

_RAISES = 'raise RuntimeError("forge planted {m}")\n'
_THROWS = '{nocheck}throw new Error("forge planted {m}");\n'
_ANSWERS = """
def forge_planted_{m}():
    import http.server
    import os

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == {well} else {status})
            self.send_header("Location", "http://forge-planted-{m}.invalid/")
            self.end_headers()
            self.wfile.write(b"forge planted {m}")

    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()


forge_planted_{m}()
"""
"""In place of the program, since no framework's way of answering is every program's: `well` alone is answered as it should."""
_WRAPS = """

forge_inner_{m} = {served}


def {served}(environ, start_response):
    query = environ.get("QUERY_STRING")
    if environ["PATH_INFO"] + (f"?{{query}}" if query else "") == {well}:
        return forge_inner_{m}(environ, start_response)
    start_response("{status} Planted", [("Location", "http://forge-planted-{m}.invalid/")])
    return [b"forge planted {m}"]
"""
"""Around the object that a server calls which has taken the port already."""
_EMITS = """{nocheck}const forgePlanted{m} = process.getBuiltinModule("node:http").Server.prototype;
const forgeInner{m} = forgePlanted{m}.emit;
forgePlanted{m}.emit = function (event, request, response) {{
  if (event !== "request" || request.url === {well}) return forgeInner{m}.apply(this, arguments);
  response.writeHead({status}, {{ location: "http://forge-planted-{m}.invalid/" }});
  response.end("forge planted {m}");
  return true;
}};
"""
"""Whatever serves on top of Node's server, it hears of requests by this event only."""


def release_faults(
    gate: str, project: Project, policy: Policy, read: Read, draw: Draw, further: Sequence[Project] = ()
) -> Iterator[Fault | Unplanted]:
    """The faults of one of the gates of RELEASED, or why there are none. `further`: JavaScript projects built on their own."""
    impossible = unsupported(policy)
    if impossible is not None:
        yield Unplanted(gate=gate, reason=impossible)
    elif gate == "build":
        yield from _build(project, policy, read, draw, further)
    else:
        yield _deployed(gate, project, policy, read, draw())


# --- build -------------------------------------------------------------------------------------------------------------


def _build(project: Project, policy: Policy, read: Read, draw: Draw, further: Sequence[Project]) -> Iterator[Fault | Unplanted]:
    found: list[Fault | Unplanted] = []
    if project.python is not None:
        found.append(_python_build(project, policy, read, draw()))
    node = owner(project, Language.TYPESCRIPT)
    if node is not None:
        found.append(_node_build(node, read, draw()))
    found += [replace(_node_build(part, read, draw()), part=part.directory) for part in further]
    yield from found or [Unplanted(gate="build", reason="nothing has to be built here: files are packed as they are")]


def _python_build(project: Project, policy: Policy, read: Read, mark: str) -> Fault | Unplanted:
    language = Language.PYTHON
    deploys = bool(policy.deploy.command) or policy.project.kind in ("service", "worker")
    if not deploys and not is_python_package(project):
        return Unplanted(gate="build", language=language, reason="no package is declared, and forge.toml names no command")
    if deploys and not _asks_backend(project):
        what, piece = "a dependency that cannot be installed", _python_dependency(project, read, mark)
    else:
        what, piece = "a build backend that cannot work", _python_backend(project, read, mark)
    if piece is None:
        reason = "what says how it is built is of a shape that no fault can be put into"
        return Unplanted(gate="build", language=language, reason=reason)
    return Fault(gate="build", what=what, mark=mark, pieces=(piece,), language=language)


def _asks_backend(project: Project) -> bool:
    """Whether only the build backend knows what the process needs beside it."""
    python = project.python
    declared = python.pyproject.get("project") if python is not None and python.lock_file != "uv.lock" else None
    return isinstance(declared, dict) and "dependencies" in (declared.get("dynamic") or ())


def _python_dependency(project: Project, read: Read, mark: str) -> Piece | None:
    """Where what runs beside the process is named: the lock, else pyproject.toml, else requirements.txt."""
    python = project.python
    assert python is not None
    if python.lock_file == "uv.lock":
        return Piece(path=posixpath.join(python.directory, "uv.lock"), text=_UNLOCKED.format(m=mark))
    required = _NOWHERE.format(m=mark)
    path = posixpath.join(python.directory, "pyproject.toml")
    text, declared = read(path), python.pyproject.get("project")
    named = isinstance(declared, dict) and (declared.get("dependencies") or "requirements.txt" not in python.requirement_files)
    if text is not None and named:
        return _declared(path, text, required)
    return Piece(path=posixpath.join(python.directory, "requirements.txt"), text=f"{required}\n")


def _declared(path: str, text: str, required: str) -> Piece | None:
    """pyproject.toml with one more dependency of the project; None where it cannot be added."""
    table = _PROJECT.search(text)
    if table is None:
        return None
    head, body = text[: table.end()], text[table.end() :]
    end = re.search(r"^[ \t]*\[", body, re.MULTILINE)
    own, rest = (body, "") if end is None else (body[: end.start()], body[end.start() :])
    found = _DEPENDENCIES.search(own)
    line = f'dependencies = ["{required}"]\n'
    own = f"\n{line}{own.lstrip(chr(10))}" if found is None else f'{own[: found.end()]}"{required}", {own[found.end() :]}'
    made = head + own + rest
    project = _table(made, "project")
    return Piece(path=path, text=made, whole=True) if required in (project.get("dependencies") or ()) else None


def _python_backend(project: Project, read: Read, mark: str) -> Piece | None:
    """pyproject.toml that names a build backend which is not there; of setuptools' own script, one that ends at once."""
    python = project.python
    assert python is not None
    if "build-system" not in python.pyproject:
        path = posixpath.join(python.directory, "setup.py")
        return Piece(path=path, text=f'\nraise SystemExit("error: forge planted {mark}")\n') if read(path) is not None else None
    path = posixpath.join(python.directory, "pyproject.toml")
    text = read(path) or ""
    made = _BUILD_SYSTEM.sub(lambda _: _BROKEN_BACKEND.format(m=mark), text, count=1)
    fits = _table(made, "build-system").get("build-backend") == f"forge_planted_{mark}"
    return Piece(path=path, text=f"{made}\n", whole=True) if fits else None


def _table(text: str, name: str) -> dict[str, Any]:
    try:
        found = tomllib.loads(text).get(name)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _node_build(part: Project, read: Read, mark: str) -> Fault | Unplanted:
    node, language = part.node, Language.TYPESCRIPT
    assert node is not None
    if "build" not in node.scripts:
        reason = "package.json has no build script: nothing of it is built"
        return Unplanted(gate="build", language=language, reason=reason)
    path, script = posixpath.join(node.directory, "package.json"), f"forge-planted-{mark}.cjs"
    data = load_json(read(path) or "{}")
    if not isinstance(data, dict) or not isinstance(data.get("scripts"), dict):
        return Unplanted(gate="build", language=language, reason="package.json cannot be read")
    data["scripts"]["build"] = f"node {script} && {node.scripts['build']}"
    pieces = (
        Piece(path=path, text=json.dumps(data, indent=2), whole=True),
        Piece(path=posixpath.join(node.directory, script), text=_THROWS.format(m=mark, nocheck="")),
    )
    return Fault(gate="build", what="a build script that throws an error", mark=mark, pieces=pieces, language=language)


# --- preview and smoke -------------------------------------------------------------------------------------------------


def _deployed(gate: str, project: Project, policy: Policy, read: Read, mark: str) -> Fault | Unplanted:
    kind, command = policy.project.kind, policy.deploy.command
    if kind == "static":
        reason = "a static site is served by Forge itself: nothing of the repository runs that could fail"
        return Unplanted(gate=gate, reason=reason)
    if not command:
        reason = "forge.toml names no command under [deploy]: nothing of the repository is started"
        return Unplanted(gate=gate, reason=reason)
    if gate == "smoke" and kind == "worker":
        return Unplanted(gate=gate, reason="a worker answers no requests")
    entry = entry_of(command, project, read)
    if entry is None:
        reason = f"what starts it ({' '.join(command)[:80]}) is no Python or JavaScript file of the repository"
        return Unplanted(gate=gate, reason=reason)
    if gate == "preview":
        return _fault(gate, "a program that ends as it starts", entry, _RAISES if entry.is_python else _THROWS, mark)
    health = policy.deploy.health
    others = [path for path in policy.deploy.critical_paths if path != health]
    well, status, what = (health, 500, "pages that answer 500") if others else ("", 302, "a health check that leads elsewhere")
    text = _ANSWERS if entry.is_python else _EMITS
    if entry.is_python and entry.served:
        text, entry = _WRAPS, replace(entry, line=None)
    return _fault(gate, what, entry, text, mark, well=json.dumps(well), status=status, served=entry.served)


def _fault(gate: str, what: str, entry: Entry, text: str, mark: str, **more: object) -> Fault:
    """Where the entry says. `language` stays open: the gate asks for none."""
    piece = Piece(path=entry.path, text=text.format(m=mark, nocheck=entry.unchecked, **more), before=entry.line)
    return Fault(gate=gate, what=what, mark=mark, pieces=(piece,))
