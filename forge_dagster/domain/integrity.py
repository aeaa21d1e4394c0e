"""Whether a change is by whom it says it is, and looks like what it is."""

import re
from collections.abc import Iterable, Iterator, Mapping

from forge_dagster.domain.changes import Change, Identity
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.globs import matches
from forge_dagster.domain.identity import mismatch, missing
from forge_dagster.domain.outcomes import Attribution, Category, Severity
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.policy import POLICY_FILE, RiskSection

_JUDGES = (
    "**/conftest.py", "**/pytest.ini", "**/tox.ini", "**/setup.cfg", "**/.coveragerc", "**/pyproject.toml", "**/noxfile.py",
    "**/ruff.toml", "**/.ruff.toml", "**/mypy.ini", "**/.mypy.ini", "**/.flake8", "**/sitecustomize.py", "**/usercustomize.py",
    "**/package.json", "**/tsconfig*.json", "**/eslint.config.*", "**/.eslintrc*", "**/.prettierrc*", "**/prettier.config.*",
    "**/vitest.config.*", "**/vite.config.*", "**/.npmrc", "**/.gitattributes", "**/.gitmodules", "**/.pre-commit-config.yaml",
    "**/biome.json*", "**/.oxlintrc.json", "**/.oxfmtrc.json", "**/pyrightconfig.json", "**/jest.config.*", "**/.mocharc*",
    "**/stryker.c*", "**/stryker.conf.*", "**/.dependency-cruiser.*", "**/.importlinter", "**/tach.toml", "**/.semgrep.y*ml",
    "**/.semgrep/**", "**/.bandit", "**/bandit.y*ml", "**/schemathesis.toml", "**/compose.y*ml", "**/docker-compose.y*ml",
    "**/CODEOWNERS", "**/Makefile", "**/AGENTS.md", "**/CLAUDE.md", "**/tox.toml", "**/pyrightconfig.json", "**/biome.json*",
    "**/.biome.json*", "**/.oxlintrc*", "**/oxlint.config.*", "**/.oxfmtrc*", "**/oxfmt.config.*", "**/.prettierignore",
    "**/.eslintignore", "scripts/check*", "scripts/lint*",
)  # fmt: skip
"""Files that decide how a change is judged, or that speak to whoever reviews it."""

_ALWAYS = (
    "**/forge.toml", ".github/**", ".gitlab-ci.yml", ".gitlab/**", ".circleci/**", ".travis.yml", "**/azure-pipelines*.yml",
    "bitbucket-pipelines.yml", "**/Jenkinsfile", ".buildkite/**", ".drone.yml", ".cirrus.yml", "appveyor.yml", ".appveyor.yml",
    "**/CODEOWNERS", "**/.gitattributes", "**/.gitmodules", ".githooks/**", ".husky/**", "**/AGENTS.md", "**/CLAUDE.md",
    "**/GEMINI.md", ".cursorrules", ".cursor/**", ".claude/**", "**/copilot-instructions.md", ".windsurfrules", ".aider*",
)  # fmt: skip
"""What asks for a person whatever the policy says: pipelines, who owns and who reviews what, how git behaves."""

_PROSE = (".md", ".rst", ".txt", ".html", ".htm", ".po", ".json", ".svg", ".xml", ".csv")
_DATA = (".json", ".po", ".arb", ".xlf", ".svg", ".xml", ".csv", ".tsv")
"""What nobody runs: translations and fixtures hold bidirectional text, and its controls, for what it is."""
_BIDIRECTIONAL = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Controls that show code in another order than it runs in (CVE-2021-42574, "Trojan Source"); plain marks are harmless."""
_TAGS = re.compile("(?<!\U0001f3f4)(?<![\U000e0000-\U000e007f])[\U000e0000-\U000e007f]|[\U000e0100-\U000e01ef]{2}")
"""Tag characters, which hide whole sentences (flags such as Scotland's are a black flag and tags), and runs of selectors."""
_ZERO_WIDTH = re.compile("[\u200b\u2060-\u2064\u180e]|(?<!^)\ufeff")
_HIDDEN = ((_BIDIRECTIONAL, "bidirectional"), (_TAGS, "tag"), (_ZERO_WIDTH, "zero-width"))


def identity_findings(identity: Identity) -> tuple[Finding, ...]:
    """What is wrong with who the change says it is by. Nothing to say where nobody pushed (`pusher` is None)."""
    wrong = mismatch(identity)
    if wrong is not None:
        fix = f"amend the commit: Agent-By: {one_line(identity.pusher or '')}"
        return (_finding("identity-mismatch", wrong, fix=fix),)
    lacking = missing(identity)
    if identity.pusher_is_agent and lacking:
        message = (
            f"an agent pushed this, but its head commit lacks the trailer{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}"
        )
        fix = "end the commit message with the trailers Agent-By, Task-ID, Model and Prompt-Hash"
        return (_finding("missing-trailers", message, severity=Severity.WARNING, fix=fix),)
    if identity.pusher is not None and not identity.pusher_is_agent and identity.agent is not None:
        message = f"{one_line(identity.pusher)} is no agent, but the head commit says Agent-By: {one_line(identity.agent)}"
        return (_finding("agent-claimed", message, severity=Severity.WARNING, fix="let the agent push its own commits"),)
    return ()


def policy_finding(message: str, fix: str) -> Finding:
    """The change's own `forge.toml` cannot be read."""
    return _finding("broken-policy", one_line(message), file=POLICY_FILE, fix=fix)


def protected_findings(change: Change, risk: RiskSection) -> tuple[Finding, ...]:
    """Files of the change that it is itself judged by: never a fault, always to be seen."""
    found = []
    for path in change.paths:
        critical = any(matches(path, pattern, below=True, ignore_case=True) for pattern in risk.critical)
        always = any(matches(path, pattern, ignore_case=True) for pattern in _ALWAYS)
        if not critical and not always and not any(matches(path, pattern, ignore_case=True) for pattern in _JUDGES):
            continue
        severity = Severity.WARNING if critical or always else Severity.NOTE
        message = f"the change touches {one_line(path)}, which decides how changes are judged"
        found.append(_finding("protected-path", message, severity=severity, file=path, fix="a person looks at this file"))
    return tuple(found)


def hidden_findings(path: str, text: str, lines: Iterable[int] | None) -> Iterator[Finding]:
    """Characters in `lines` (None: all) of a text file that make it look different from what it is."""
    wanted = None if lines is None else frozenset(lines)
    data = path.endswith(_DATA) and not any(matches(path, pattern, ignore_case=True) for pattern in (*_JUDGES, *_ALWAYS))
    for number, line in enumerate(text.split("\n"), 1):
        if line.isascii() or (wanted is not None and number not in wanted):
            continue
        for pattern, kind in _HIDDEN:
            match = pattern.search(line)
            if match is None:
                continue
            harmless = (kind == "zero-width" and path.endswith(_PROSE)) or (kind == "bidirectional" and data)
            yield _finding(
                "hidden-character",
                f"a {kind} character, {_name(match[0])}, makes this line look different from what it is",
                severity=Severity.WARNING if harmless else Severity.ERROR,
                file=path,
                line=number,
                column=match.start() + 1,
                fix="remove the character, or write it as an escape sequence",
            )


def path_findings(paths: Iterable[str]) -> tuple[Finding, ...]:
    """File names that are shown as something else than they are."""
    bad = [path for path in paths if any(pattern.search(path) for pattern, _ in _HIDDEN) or any(ord(c) < 32 for c in path)]
    message = "the name of this file holds hidden or control characters"
    return tuple(_finding("hidden-character", f"{message}: {one_line(path)}", file=path, fix="rename the file") for path in bad)


def link_findings(links: Mapping[str, str]) -> tuple[Finding, ...]:
    """Symbolic links (path -> target) that lead out of the tree or into git's own folder."""
    return tuple(
        _finding(
            "link-out-of-tree",
            f"the symbolic link {one_line(path)} leads out of the repository, to {one_line(target)}",
            file=path,
            fix="remove the link, or let it point to a file of the repository",
        )
        for path, target in links.items()
        if leaves_tree(path, target)
    )


def leaves_tree(path: str, target: str) -> bool:
    """Whether a link at `path` (relative to the root) to `target` names a place outside of the tree, or in `.git`."""
    if target.startswith("/"):
        return True
    place: list[str] = path.split("/")[:-1]
    for part in target.split("/"):
        if part == "..":
            if not place:
                return True
            place.pop()
        elif part not in ("", "."):
            place.append(part)
    return bool(place) and place[0].lower() == ".git"


def _name(characters: str) -> str:
    return " ".join(f"U+{ord(character):04X}" for character in characters[:1])


def _finding(
    rule: str,
    message: str,
    *,
    severity: Severity = Severity.ERROR,
    file: str | None = None,
    line: int | None = None,
    column: int | None = None,
    fix: str = "",
) -> Finding:
    return Finding(
        tool="integrity",
        rule=rule,
        message=message,
        category=Category.INTEGRITY,
        severity=severity,
        attribution=Attribution.NEW,
        file=file,
        line=line,
        column=column,
        suggested_fix=fix,
    )
