"""What the JavaScript and TypeScript tools have in common."""

from collections.abc import Iterable

from forge_dagster.domain.project import Project
from forge_dagster.ports import ToolRequest
from forge_dagster.tools.evidence import node_sign

SOURCES = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs")
TYPED = (".ts", ".tsx", ".mts", ".cts")
DECLARATIONS = (".d.ts", ".d.mts", ".d.cts")
_FILES = {
    "dprint": ("dprint.json", ".dprint.json", "dprint.jsonc"),
    "deno": ("deno.json", "deno.jsonc"),
    "tslint": ("tslint.json", "tslint.yaml"),
    "jshint": (".jshintrc",),
    "rome": ("rome.json",),
    "xo": ("xo.config.js", "xo.config.ts", "xo.config.mjs", ".xo-config.js", ".xo-config.json"),
    "flow": (".flowconfig",),
}
_PACKAGES = {"flow": "flow-bin"}


def node_directory(request: ToolRequest) -> str:
    """The Node project's folder, relative to the root."""
    return request.project.node.directory if request.project.node is not None else ""


def other_node_tool(project: Project, programs: Iterable[str]) -> str | None:
    """The first of `programs` that the repository is seen to use, and why; None where it uses none of them."""
    for name in programs:
        sign = node_sign(project, package=_PACKAGES.get(name, name), program=name, key=name, files=_FILES.get(name, ()))
        if sign is not None:
            return f"{name}: {sign}"
    return None


def configured_by_code(project: Project, stem: str) -> bool:
    """Whether there is a configuration that Node loads, `stem`.js and the like, which may import any package."""
    node = project.node
    names = node.configuration_files if node is not None else frozenset()
    known = {path for path in project.files if "/" not in path} | names
    return any(f"{stem}{ending}" in known for ending in (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"))
