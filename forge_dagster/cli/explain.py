"""`forge check --explain`: what was detected and why, and which tools each gate would use; nothing is run or installed."""

import io
from pathlib import Path

from forge_dagster.cli.terminal import Terminal, plain
from forge_dagster.domain.graph import GateSpec
from forge_dagster.domain.project import Language, Sign
from forge_dagster.usecases.explain import Explanation, GateExplained, ToolExplained, as_data, explain, workspace_of

_NAMES = {Language.PYTHON: "Python", Language.TYPESCRIPT: "TypeScript or JavaScript"}


def command(
    path: Path, *, specs: tuple[GateSpec, ...], base: str | None, head: str | None, as_json: bool, output: Path | None
) -> None:
    """Explain the repository at `path`, on stdout or in the file `output`. Raises as `forge check` does."""
    import json
    import sys

    from forge_dagster import registry
    from forge_dagster.bootstrap import local_check
    from forge_dagster.cli.terminal import write_file

    with local_check(path, specs=specs, base=base, head=head) as work:
        found = explain(work.checkout, specs=specs, tools=registry.tools().values())
    if output is None and not as_json:
        write(Terminal(sys.stdout), found)
        return
    stream = io.StringIO()
    if as_json:
        stream.write(json.dumps(as_data(found), indent=2) + "\n")
    else:
        write(Terminal(stream, colour=False), found)
    if output is None:
        sys.stdout.write(stream.getvalue())
    else:
        write_file(output, stream.getvalue())


def write(terminal: Terminal, found: Explanation) -> None:
    """The explanation for people."""
    project = found.checkout.project
    names = ", ".join(_NAMES[language] for language in project.languages) or "no language that Forge has tools for"
    terminal.line(terminal.style(plain(f"{found.checkout.change.repository}: {names}"), "strong"))
    _signs(terminal, project.signs)
    for part in project.parts:
        workspace = workspace_of(part)
        member = "" if workspace is None else f", member of the workspace at {workspace or 'the root'}"
        languages = ", ".join(_NAMES[language] for language in part.languages)
        terminal.line(terminal.style(plain(f"part {part.directory}: {languages}{member}"), "strong"))
        _signs(terminal, part.signs)
    stage = ""
    for gate in found.gates:
        if gate.stage != stage:
            stage = gate.stage
            terminal.line()
            terminal.line(terminal.style(f"stage {stage}", "strong"))
        _gate(terminal, gate)


def _signs(terminal: Terminal, signs: tuple[Sign, ...]) -> None:
    for sign in signs:
        terminal.line(f"  {plain(sign.what)}  {terminal.style(plain(f'({sign.because})'), 'dim')}")


def _gate(terminal: Terminal, gate: GateExplained) -> None:
    if not gate.tools:
        terminal.line(f"  {gate.gate:12} {terminal.style(plain(f'none: {gate.reason}'), 'dim')}")
    for number, tool in enumerate(gate.tools):
        terminal.line(f"  {gate.gate if number == 0 else '':12} {_tool(terminal, tool)}")


def _tool(terminal: Terminal, tool: ToolExplained) -> str:
    name = " ".join(part for part in (tool.tool, tool.version) if part)
    if tool.unavailable:
        return f"{plain(name)}  {terminal.style(plain(f'not run: {tool.unavailable}'), 'odd')}"
    return f"{plain(name)}  {plain(tool.because)}  {terminal.style(plain(f'from {tool.source}'), 'dim')}"
