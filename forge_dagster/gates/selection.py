"""Which tools a gate uses on a repository: the policy's word, else the repository's own choice, else Forge's default."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import Language, Project
from forge_dagster.errors import ConfigurationError
from forge_dagster.ports import Tool

NAMES = {Language.PYTHON: "Python", Language.TYPESCRIPT: "TypeScript or JavaScript"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A tool to run, and why. `unavailable`: why it cannot run here, where another tool does its work.

    `project`: the part of the repository it is for; None: the repository's first project.
    """

    tool: Tool
    because: str
    unavailable: str = ""
    project: Project | None = None

    @property
    def directory(self) -> str:
        """Folder of the part it is for; "" for the first project."""
        return self.project.directory if self.project is not None else ""


def choose_parts(
    gate: str,
    *,
    project: Project,
    policy: Policy,
    tools: Iterable[Tool],
    on_path: Callable[[str], bool] = lambda _program: False,
) -> tuple[Choice, ...]:
    """`choose` for the first project and for each of its parts.

    A part gets what it chose itself, unless the first project uses the same tool and that looks at the part too (`covers`);
    and Forge's defaults for a language that the first project has not. Raises ConfigurationError as `choose` does.
    """
    known = tuple(tools)
    first = choose(gate, project=project, policy=policy, tools=known, on_path=on_path)
    everywhere = {choice.tool.name for choice in first}
    picked = list(first)
    for part in project.parts:
        for choice in choose(gate, project=part, policy=policy, tools=known, on_path=on_path):
            language = choice.tool.language
            if language is None or (choice.tool.name in everywhere and covers(choice.tool, project, part)):
                continue
            if choice.tool.chosen(part) is None and language in project.languages:
                continue
            picked.append(replace(choice, because=f"{part.directory}: {choice.because}", project=part))
    return tuple(picked)


def covers(tool: Tool, project: Project, part: Project) -> bool:
    """Whether the tool's run for the first project looks at `part` too: a linter does, a test runner runs what it is told to.

    A tool that knows better says so by a method of this name.
    """
    own = getattr(tool, "covers", None)
    return True if own is None else bool(own(project, part))


def choose(
    gate: str,
    *,
    project: Project,
    policy: Policy,
    tools: Iterable[Tool],
    on_path: Callable[[str], bool] = lambda _program: False,
) -> tuple[Choice, ...]:
    """The tools of `gate` to run on `project`, in the order of their names.

    Per language: what `[gates.<gate>] tools` names, else every tool the repository is seen to use, else those Forge applies by
    default, unless the repository uses a tool of that kind which Forge cannot run (`rival`): nothing is imposed on it then.
    A tool of no language is no matter of taste, so the default one always runs, and one without a package runs besides where
    `on_path` finds its program (kingfisher always, gitleaks where it is installed).
    Raises ConfigurationError when the policy names a tool that does not serve this gate.
    """
    mine = sorted((tool for tool in tools if tool.gate == gate), key=lambda tool: tool.name)
    named = policy.gate(gate).tools
    if named is not None:
        return _named(gate, named, mine, project)
    picked: list[Choice] = []
    for language in project.languages:
        picked += _of_language([tool for tool in mine if tool.language is language], project)
    for tool in (tool for tool in mine if tool.language is None):
        picked += _of_no_language(tool, tool.chosen(project), on_path)
    return tuple(sorted(picked, key=lambda choice: choice.tool.name))


def _of_language(tools: list[Tool], project: Project) -> list[Choice]:
    chosen = [(tool, tool.chosen(project)) for tool in tools]
    found = [Choice(tool=tool, because=reason) for tool, reason in chosen if reason is not None]
    if found or rival_of(tools, project) is not None:
        return found
    return [Choice(tool=tool, because="Forge's default: the repository chose none") for tool in tools if tool.default]


def rival_of(tools: Iterable[Tool], project: Project) -> str | None:
    """A tool of the same kind that the repository uses and Forge has no adapter for, as these tools know it."""
    known = (getattr(tool, "rival", None) for tool in tools)
    return next((found for rival in known if rival is not None and (found := rival(project)) is not None), None)


def _of_no_language(tool: Tool, chosen: str | None, on_path: Callable[[str], bool]) -> list[Choice]:
    if tool.package or tool.default:
        reason = chosen or ("Forge's default" if tool.default else None)
        return [] if reason is None else [Choice(tool=tool, because=reason)]
    if on_path(tool.program):
        return [Choice(tool=tool, because=chosen or f"{tool.program} is installed")]
    missing = f"{tool.program} is not on PATH, so Forge's default alone looks"
    return [] if chosen is None else [Choice(tool=tool, because=chosen, unavailable=missing)]


def _named(gate: str, names: tuple[str, ...], mine: list[Tool], project: Project) -> tuple[Choice, ...]:
    known = {tool.name: tool for tool in mine}
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f'[gates.{gate}] tools: "{name}" does not serve this gate', hint=f"tools of {gate}: {', '.join(known)}"
            )
    because = f"forge.toml names it in [gates.{gate}]"
    served = (None, *project.languages)
    return tuple(Choice(tool=known[name], because=because) for name in dict.fromkeys(names) if known[name].language in served)


def why_none(gate: str, *, project: Project, policy: Policy, tools: Iterable[Tool]) -> str:
    """Why `choose` gave nothing, for the SKIPPED result."""
    if policy.gate(gate).tools is not None:
        return f"no tool that forge.toml names in [gates.{gate}] serves a language of this repository"
    mine = [tool for tool in tools if tool.gate == gate]
    rival = rival_of([tool for tool in mine if tool.language in project.languages], project)
    if rival is not None:
        return f"the repository has a tool of its own that Forge cannot run ({rival})"
    served = [NAMES[language] for language in Language if any(tool.language is language for tool in mine)]
    if not project.languages:
        return f"no language recognised that this gate has tools for ({', '.join(served)})"
    return f"no {gate} tool chosen by this repository, and Forge imposes none on it"
