"""The scripts of single-file components (.vue, .svelte, .astro), with every line and column where it stands in the file.

Blocks are found as their compilers find them (an HTML element `script`, up to the first `</script`), but also where those
would not look, in comments and in templates: what is taken for a script too many is looked at in vain. Where one seems to begin
within another, which of the two is a script cannot be told, and that is said (`unread`), for neither may hide. Templates, and
scripts in languages that are neither JavaScript nor TypeScript, are not in it.

Astro has a script between fences at the top of the file as well (docs.astro.build, "Astro components"). This file is also
loaded by a scanner's own Python (tools/analysis/programs/component_scripts.py): Python 3.8 has to understand it, and
it imports nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

COMPONENTS = (".vue", ".svelte", ".astro")

_OPENING = re.compile(r"<script(?=[\s/>])", re.IGNORECASE)
_CLOSING = re.compile(r"</script(?=[\s/>])", re.IGNORECASE)
_TAG_MARK = re.compile("[\"'>]")
_FENCE = re.compile(r"\s*---[^\S\n]*\n")
_CLOSING_FENCE = re.compile(r"^---[^\S\n]*$", re.MULTILINE)
_VALUE = re.compile(r"(?:^|\s)(?P<name>lang|type)\s*=\s*[\"']?(?P<value>[^\s\"'>]*)", re.IGNORECASE)
_WITH_JSX = frozenset({"jsx", "tsx"})
_KNOWN = _WITH_JSX | {
    *("", "js", "ts", "javascript", "typescript", "babel", "module"),
    *("text/javascript", "text/typescript", "application/javascript"),
}


@dataclass(frozen=True)
class ComponentScript:
    """What a component executes. `text` has the length and the lines of the file, with blanks for all else.

    `ending`: that of a file with such a text, `.tsx` where a script says that it has JSX; TypeScript reads JavaScript too.
    `unread`: scripts in other languages, and those in which another one seems to begin.
    """

    text: str
    ending: str
    unread: int = 0


def component_script(text: str, *, astro: bool = False) -> ComponentScript:
    """The scripts of a component. Never raises."""
    languages: set[str] = set()
    kept, at = _fenced(text) if astro else ([], 0)
    unread = 0
    while (opening := _OPENING.search(text, at)) is not None:
        start = _end_of_tag(text, opening.end())
        tag = text[opening.end() : start]
        if tag.rstrip(">").endswith("/"):  # closed in itself: its script is another file
            kept.append(_blank(text[at:start]))
            at = start
            continue
        closing = _CLOSING.search(text, start)
        end = closing.start() if closing is not None else len(text)
        language = _language(tag)
        known = language in _KNOWN
        kept += [_blank(text[at:start]), text[start:end] if known else _blank(text[start:end])]
        languages |= {language} if known else set()
        unread += not known or _OPENING.search(text, start, end) is not None
        at = end
    kept.append(_blank(text[at:]))
    ending = ".ts" if languages.isdisjoint(_WITH_JSX) else ".tsx"
    return ComponentScript(text="".join(kept), ending=ending, unread=unread)


def _fenced(text: str) -> tuple[list[str], int]:
    """What stands between the fences at the top, with blanks around it, and where that ends."""
    fence = _FENCE.match(text)
    if fence is None:
        return [], 0
    closing = _CLOSING_FENCE.search(text, fence.end())
    end = len(text) if closing is None else closing.start()
    return [_blank(text[: fence.end()]), text[fence.end() : end]], end


def _end_of_tag(text: str, start: int) -> int:
    """Behind the `>` that ends the tag, which is not one in quotes; where quotes are not closed, behind the first."""
    at = start
    while (mark := _TAG_MARK.search(text, at)) is not None:
        if mark.group() == ">":
            return mark.end()
        closing = text.find(mark.group(), mark.end())
        if closing < 0:
            break
        at = closing + 1
    end = text.find(">", start)
    return end + 1 if end >= 0 else len(text)


def _language(tag: str) -> str:
    """What an opening tag says of its script; `lang` before `type`."""
    said = {found["name"].lower(): found["value"].lower() for found in reversed(list(_VALUE.finditer(tag)))}
    return said.get("lang") or said.get("type") or ""


def _blank(text: str) -> str:
    """As many characters, and the same ends of lines."""
    return re.sub(r"[^\r\n\u2028\u2029]", " ", text)
