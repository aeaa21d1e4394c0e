"""Path patterns as people know them from .gitignore."""

import functools
import re


def matches(path: str, pattern: str, *, below: bool = False, ignore_case: bool = False) -> bool:
    """Whether `path` (relative, forward slashes) fits `pattern` (gitignore(5)).

    A pattern without a slash fits at any depth; otherwise it starts at the root. `*` and `?` stop at a slash, `**` does not,
    and a pattern that ends in a slash means all below. With `below`, a pattern that fits a folder fits all in it, as in
    .gitignore; without, only the path itself counts (so that a folder called `x.md` makes no document of what is in it).
    Negation with `!` is not known.
    """
    expression = _expression(pattern, below, ignore_case)
    return expression.fullmatch(path) is not None


@functools.lru_cache(maxsize=4096)
def _expression(pattern: str, below: bool, ignore_case: bool) -> re.Pattern[str]:
    anchored = "/" in pattern.rstrip("/")
    text = pattern.removeprefix("/")
    if text.endswith("/"):
        text += "**"
    body = "" if anchored else "(?:[^/]+/)*"
    position = 0
    while position < len(text):
        piece, position = _piece(text, position)
        body += piece
    if below:
        body += "(?:/.*)?"
    return re.compile(body, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _piece(text: str, position: int) -> tuple[str, int]:
    """The regular expression for what stands at `position`, and where the next piece starts."""
    starts_part = position == 0 or text[position - 1] == "/"
    if starts_part and text.startswith("**/", position):
        return "(?:[^/]+/)*", position + 3
    if starts_part and text[position:] == "**":
        return ".+", position + 2
    character = text[position]
    if character == "*":
        end = position
        while text.startswith("*", end):
            end += 1
        return "[^/]*", end
    if character == "?":
        return "[^/]", position + 1
    if character == "[":
        end = text.find("]", position + 2)
        if end != -1:
            inside = text[position + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            negated = inside[0] in "!^"
            inside = inside[1:] if negated else inside
            if _is_class(inside):
                return f"(?!/)[{'^' if negated else ''}{inside}]", end + 1
    if character == "\\" and position + 1 < len(text):
        return re.escape(text[position + 1]), position + 2
    return re.escape(character), position + 1


def _is_class(inside: str) -> bool:
    try:
        re.compile(f"[{inside}]")
    except re.error:
        return False
    return bool(inside)
