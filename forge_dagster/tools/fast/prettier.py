"""prettier `--check`, on the targets of the repository's own script where it has one.

Exit codes (prettier.io/docs/cli): 0 all formatted, 1 some not, 2 something went wrong, which a syntax error is too. It has no
machine-readable report: its debug log names every file it looks at, `[warn]` those that differ, `[error]` what went wrong, and
a last line says that all is well.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.places import inside
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.diffs import first_change
from forge_dagster.tools.evidence import node_sign
from forge_dagster.tools.fast.biome_format import ADAPTER as BIOME_FORMAT
from forge_dagster.tools.fast.formatting import unformatted
from forge_dagster.tools.fast.javascript import SOURCES, configured_by_code, node_directory, other_node_tool
from forge_dagster.tools.fast.oxfmt import ADAPTER as OXFMT
from forge_dagster.tools.reading import Unreadable, careful, complaint, place, report, text
from forge_dagster.tools.scripts import Invocation, invocations, kept, staged_globs
from forge_dagster.tools.tasks import called

_LOOKED = re.compile(r"\[debug\] resolve config from '(.+)'")
_WARNED = re.compile(r"\[warn\] (.+)")
_ERROR = re.compile(
    r"\[error\] (?P<file>.+?): (?P<kind>[A-Za-z]*Error): (?P<message>.*?)(?: \((?P<line>\d+):(?P<column>\d+)\))?"
)
_UNMATCHED = re.compile(r'\[error\] No files matching the pattern were found: "(.+)"\.')
_ALL_WELL = "All matched files use Prettier code style!"
_WITH_VALUE = frozenset(
    (
        "--config", "--ignore-path", "--plugin", "--parser", "--config-precedence", "--arrow-parens", "--print-width",
        "--tab-width", "--embedded-language-formatting", "--end-of-line", "--experimental-operator-position",
        "--html-whitespace-sensitivity",
        "--object-wrap", "--prose-wrap", "--quote-props", "--trailing-comma",
    )
)  # fmt: skip
_ALONE = frozenset(
    (
        "--no-config", "--no-editorconfig", "--ignore-unknown", "-u", "--no-error-on-unmatched-pattern", "--with-node-modules",
        "--bracket-same-line", "--no-bracket-spacing", "--experimental-ternaries", "--no-experimental-ternaries", "--no-semi",
        "--jsx-single-quote", "--single-attribute-per-line", "--single-quote", "--use-tabs", "--vue-indent-script-and-style",
        "--require-pragma",
    )
)  # fmt: skip
_DROPPED = frozenset(
    (
        "--log-level",
        "--loglevel",
        "--cache-location",
        "--cache-strategy",
        "--stdin-filepath",
        "--find-config-path",
        "--file-info",
    )
)
"""Options of which Forge says itself what they are, each with a value."""
_CONFIGURATION = (
    ".prettierrc", ".prettierrc.json", ".prettierrc.json5", ".prettierrc.yaml", ".prettierrc.yml", ".prettierrc.toml",
    ".prettierrc.js", ".prettierrc.mjs", ".prettierrc.cjs", ".prettierrc.ts", ".prettierrc.mts", ".prettierrc.cts",
    "prettier.config.js", "prettier.config.mjs", "prettier.config.cjs", "prettier.config.ts",
)  # fmt: skip
_SOURCES = f"**/*.{{{','.join(ending[1:] for ending in SOURCES)}}}"
_SHOWN_FILES = 5
"""Files whose first difference is looked up; each costs a start of node."""


class Prettier(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "prettier"
    gate: str = "format"
    language: Language | None = Language.TYPESCRIPT
    default: bool = True
    program: str = "prettier"
    package: str = "prettier"
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By its key in package.json, a script, its configuration, its hook, or as a declared dependency."""
        sign = node_sign(project, package="", program="prettier", key="prettier", files=_CONFIGURATION, hooks=("prettier",))
        if sign is not None or any(other.chosen(project) is not None for other in (OXFMT, BIOME_FORMAT)):
            return sign  # the others read a .prettierignore too, and a mere dependency may be there for something else
        return node_sign(project, package="prettier", program="prettier", files=(".prettierignore",))

    def loads_packages(self, project: Project) -> bool:
        """Where its configuration is code or is a package's, or where a package for it is a dependency (a plugin)."""
        node = project.node
        if node is None or self.chosen(project) is None:
            return False
        shared = isinstance(node.package.get("prettier"), str) or any("prettier" in name for name in node.dependencies)
        return shared or any(configured_by_code(project, stem) for stem in (".prettierrc", "prettier.config"))

    def rival(self, project: Project) -> str | None:
        """A formatter the repository uses that Forge cannot run."""
        return other_node_tool(
            project,
            ("dprint", "standard", "ts-standard", "semistandard", "xo", "rome", "deno", "prettierx", "prettier-standard"),
        )

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """The check; none where it is about sources and there are none."""
        options, targets = _call(request)
        if targets == [_SOURCES] and not request.project.files_ending(*SOURCES):
            return ()
        level = "--loglevel" if request.version.startswith(("1.", "2.")) else "--log-level"
        return (self._command(request, "--check", level, "debug", *options, "--", *targets),)

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """For the first files that differ: what prettier makes of each, and what is there now."""
        if not outputs or outputs[0].result.exit_code not in (1, 2):
            return ()
        commands = []
        options, _ = _call(request)
        for name in _differing(request, outputs[0])[:_SHOWN_FILES]:
            commands.append(self._command(request, *options, "--", name))
            commands.append(Command(argv=("cat", "--", name), cwd=self._cwd(request), timeout_s=request.timeout_s))
        return commands

    def _command(self, request: ToolRequest, *arguments: str) -> Command:
        return Command(
            argv=(str(request.executable), *arguments),
            cwd=self._cwd(request),
            environment={"NO_COLOR": "1", "FORCE_COLOR": "0"},
            timeout_s=request.timeout_s,
        )

    def _cwd(self, request: ToolRequest) -> Path:
        return request.root / node_directory(request)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per file that differs or does not parse; PASSED only with prettier's own last line."""
        check = outputs[0]
        code = check.result.exit_code
        said = text(check.result.stderr)
        looked = _looked(request, check)
        differing = _differing(request, check)
        changes = {}
        for name, made, there in zip(differing, outputs[1::2], outputs[2::2], strict=False):
            changes[name] = first_change(text(there.result.stdout), text(made.result.stdout), name)
        where = node_directory(request)
        findings = [
            unformatted(self.name, place(request, n, directory=where), changes.get(n), "prettier --write") for n in differing
        ]
        broken = [self._broken(request, match) for line in said.splitlines() if (match := _ERROR.fullmatch(line))]
        errors = [line for line in said.splitlines() if line.startswith("[error]")]
        unmatched = [self._unmatched(request, match[1]) for line in errors if (match := _UNMATCHED.fullmatch(line))]
        if code == 2 and looked and len(unmatched) == len(errors) > 0 and _own_call(request) is None:
            code, unmatched = 1 if findings else 0, []  # lint-staged's: nothing has to match them
        if code == 2 and (broken or (looked and len(unmatched) == len(errors) > 0)):
            return report(Outcome.FAILED, check, examined=len(looked), findings=(*broken, *findings, *unmatched))
        if code == 1 and findings and not broken:
            return report(Outcome.FAILED, check, examined=len(looked), findings=tuple(findings))
        if code == 0 and _ALL_WELL in text(check.result.stdout) and not findings and not broken:
            return report(Outcome.PASSED, check, examined=len(looked))
        raise Unreadable(f"prettier ended with {code}: {' '.join(errors)[:500] or complaint(check)}")

    def _unmatched(self, request: ToolRequest, pattern: str) -> Finding:
        return Finding(
            tool=self.name,
            rule="unmatched-pattern",
            message=f"the script that runs prettier names {pattern}, which no file matches",
            category=Category.FORMAT,
            file=place(request, "package.json", directory=node_directory(request)),
            suggested_fix="name the files where they lie now, or take it out of the script",
        )

    def _broken(self, request: ToolRequest, match: "re.Match[str]") -> Finding:
        return Finding(
            tool=self.name,
            rule="invalid-syntax" if match["kind"] == "SyntaxError" else match["kind"],
            message=match["message"],
            category=Category.FORMAT,
            file=place(request, match["file"], directory=node_directory(request)),
            line=int(match["line"]) if match["line"] else None,
            column=max(int(match["column"]), 1) if match["column"] else None,
            suggested_fix="correct the syntax",
        )


def _call(request: ToolRequest) -> tuple[list[str], list[str]]:
    """(options, targets) of the repository's own script: one that checks before one that writes.

    Where nothing says on which files the repository runs prettier, only the sources are looked at, not documents and data.
    """
    node, own = request.project.node, _own_call(request)
    if own is None:
        staged = staged_globs(node.package, "prettier") if node is not None else ()
        everything = called(request.project, "prettier") or any("prettier" in hook.id for hook in request.project.hooks)
        return [], list(staged) or (["."] if everything else [_SOURCES])
    options, targets = kept(own.arguments, with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED)
    return options, targets or ["."]


def _own_call(request: ToolRequest) -> Invocation | None:
    node = request.project.node
    calls = invocations(node.scripts, "prettier") if node is not None else ()
    checks = [call for call in calls if call.has("--check", "-c", "--list-different", "-l")]
    return next(iter([*checks, *(call for call in calls if call.has("--write", "-w"))]), None)


def _looked(request: ToolRequest, check: ToolOutput) -> set[str]:
    """Paths that prettier resolved a configuration for, except the ignore files it reads for itself."""
    names = {match[1] for line in text(check.result.stderr).splitlines() if (match := _LOOKED.fullmatch(line))}
    found = {inside(request.root, name, directory=node_directory(request)) for name in names}
    return {name for name in found if name is not None and name in request.project.files and not name.endswith("ignore")}


def _differing(request: ToolRequest, check: ToolOutput) -> list[str]:
    """Files named by `[warn]`, which also says other things, and by prettier 1 on a line of stdout: only what it looked at
    counts. Relative to the project.
    """
    looked = _looked(request, check)
    named = [match[1] for line in text(check.result.stderr).splitlines() if (match := _WARNED.fullmatch(line))]
    named += text(check.result.stdout).splitlines()
    return [name for name in dict.fromkeys(named) if inside(request.root, name, directory=node_directory(request)) in looked]


ADAPTER = Prettier()
