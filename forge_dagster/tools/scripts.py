"""How package.json's scripts call a program: its targets and options are the repository's own choice and are kept."""

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

_BREAKS = re.compile(r"[;&|()<>]+")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_RUNNERS = frozenset(
    {"npx", "bunx", "pnpx", "npm", "pnpm", "yarn", "exec", "dlx", "run", "cross-env", "--", "-y", "--yes", "--no-install"}
)


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
    found = []
    for name, text in scripts.items():
        for words in _commands(text):
            if words and words[0].rsplit("/", 1)[-1] == program:
                found.append(Invocation(script=name, arguments=tuple(words[1:])))
    return tuple(found)


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
    return [_without_runner(words) for words in commands]


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
