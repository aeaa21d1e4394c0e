"""How package.json's scripts call a program: its targets and options are the repository's own choice and are kept."""

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

_BREAKS = re.compile(r"[;&|()<>]+")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_RUNNERS = frozenset(
    (
        "npx", "bunx", "pnpx", "npm", "pnpm", "yarn", "bun", "exec", "dlx", "run", "run-script", "cross-env", "dotenv", "--",
        "-y", "--yes", "--no-install", "-s", "--silent", "uv", "uvx", "poetry", "pdm", "hatch",
    )
)  # fmt: skip
_SEVERAL = frozenset(("run-s", "run-p", "npm-run-all", "npm-run-all2"))
_DEPTH = 5
"""Scripts that run scripts that run scripts ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One call of a program in the script named `script`, without the program's own name."""

    script: str
    arguments: tuple[str, ...]

    def has(self, *options: str) -> bool:
        """Whether one of these options is given."""
        return any(argument.partition("=")[0] in options for argument in self.arguments)

    def value(self, *options: str) -> str | None:
        """The value given to one of these options, as `--name value` or `--name=value`."""
        for number, argument in enumerate(self.arguments):
            name, equals, value = argument.partition("=")
            if name in options:
                following = self.arguments[number + 1 : number + 2]
                return value if equals else (following[0] if following else None)
        return None


def invocations(scripts: Mapping[str, object], program: str) -> tuple[Invocation, ...]:
    """Every direct call of `program`, in the order of the scripts. Scripts that a shell could not read are left out."""
    return tuple(step.call for name, text in scripts.items() for step in text_steps(name, text) if step.program == program)


def staged_globs(package: Mapping[str, object], program: str) -> tuple[str, ...]:
    """Files on which lint-staged runs `program`, by its key in package.json; a pattern without a folder is for every folder.

    Patterns as lint-staged reads them (its README, "Filtering files"); those that exclude are left out.
    """
    tasks = package.get("lint-staged")
    found = []
    for pattern, said in tasks.items() if isinstance(tasks, Mapping) else ():
        texts = said if isinstance(said, list) else [said]
        runs = any(step.program == program for text in texts for step in text_steps("lint-staged", text))
        if runs and isinstance(pattern, str) and not pattern.startswith(("!", "-", "/", "..")):
            found.append(pattern if "/" in pattern else f"**/{pattern}")
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command of a script: the program, without its folder, and how it is called."""

    program: str
    call: Invocation
    through_runner: bool
    """Whether a package manager starts it, so that it may be the name of a script."""


def steps(scripts: Mapping[str, object], name: str) -> tuple[Step, ...]:
    """The commands of the script `name`, in order; none where a shell could not read it."""
    return text_steps(name, scripts.get(name))


def spelled(scripts: Mapping[str, object], name: str) -> tuple[tuple[str, ...], ...]:
    """The commands of the script `name` word by word, with the variables and package managers in front of the program."""
    return tuple(tuple(words) for words in _commands(scripts.get(name)) if words)


def bare(words: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """(variables, program and arguments) of a command: without the package managers in front of the program."""
    rest = _without_runner(list(words))
    front = words[: len(words) - len(rest)]
    pairs = (word.partition("=") for word in front if _ASSIGNMENT.fullmatch(word))
    return {name: value for name, _, value in pairs}, tuple(rest)


def leaves(scripts: Mapping[str, object], name: str, *, depth: int = _DEPTH) -> tuple[str, ...]:
    """The scripts that `name` comes down to where it does nothing but run other scripts of the same package; else itself."""
    found: list[str] = []
    for step in steps(scripts, name):
        nested = _nested(scripts, step)
        if not nested or depth == 0:
            return (name,)
        found += [leaf for other in nested for leaf in leaves(scripts, other, depth=depth - 1)]
    return tuple(dict.fromkeys(found)) or (name,)


def _nested(scripts: Mapping[str, object], step: Step) -> tuple[str, ...]:
    if step.program in _SEVERAL:
        patterns = [word for word in step.call.arguments if not word.startswith("-")]
        return tuple(name for pattern in patterns for name in scripts if _matches(pattern, name))
    return (step.program,) if step.through_runner and step.program in scripts and not step.call.arguments else ()


def _matches(pattern: str, name: str) -> bool:
    """npm-run-all's patterns: `*` stands for anything but a colon, `**` for anything."""
    regex = re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^:]*")
    return re.fullmatch(regex, name) is not None


def text_steps(name: str, text: object) -> tuple[Step, ...]:
    """The commands in the text of the script or task `name`; none where a shell could not read it."""
    return tuple(_step_of(name, words) for words in _commands(text) if _without_runner(words))


def _step_of(name: str, words: Sequence[str]) -> Step:
    """One command, given as words, of the script or task `name`. It must name a program."""
    program, *arguments = _without_runner(list(words))
    through = any(word in _RUNNERS for word in words[: len(words) - len(arguments) - 1])
    call = Invocation(script=name, arguments=tuple(arguments))
    return Step(program=program.rsplit("/", 1)[-1], call=call, through_runner=through)


def _commands(text: object) -> list[list[str]]:
    if not isinstance(text, str) or len(text) > 10_000:
        return []
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[list[str]] = [[]]
    try:
        for word in lexer:
            if _BREAKS.fullmatch(word):
                commands.append([])
            else:
                commands[-1].append(word)
    except ValueError:
        return []
    return commands


def _without_runner(words: list[str]) -> list[str]:
    start = 0
    while start < len(words) and (words[start] in _RUNNERS or _ASSIGNMENT.fullmatch(words[start])):
        start += 1
    return words[start:]


def kept(
    arguments: Sequence[str], *, with_value: Collection[str], alone: Collection[str], dropped: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """(options, targets) of a call: only the options named here are kept, each with its value, and what is no option.

    `dropped`: options that are left out together with the value that follows them, which would else count as a target.
    Everything else is dropped: how to report, what to cache and whether to rewrite files is Forge's to say.
    """
    options: list[str] = []
    targets: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, _ = word.partition("=")
        if name == "--":
            targets += words
        elif name in with_value:
            options.append(word)
            if not equals:
                options += [value for value in [next(words, None)] if value is not None]
        elif name in dropped:
            if not equals:
                next(words, None)
        elif name in alone:
            options.append(word)
        elif not word.startswith("-"):
            targets.append(word)
    return options, targets
