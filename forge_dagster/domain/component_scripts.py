"""The scripts of single-file components (.vue, .svelte), with every line and column where it stands in the file.

Blocks are found as their compilers find them (an HTML element `script`, up to the first `</script`), but also where those
would not look, in comments and in templates: what is taken for a script too many is looked at in vain. Where one seems to begin
within another, which of the two is a script cannot be told, and that is said (`unread`), for neither may hide. Templates, and
scripts in languages that are neither JavaScript nor TypeScript, are not in it.
"""

import re
from dataclasses import dataclass

COMPONENTS = (".vue", ".svelte")

_OPENING = re.compile(r"<script(?=[\s/>])", re.IGNORECASE)
_CLOSING = re.compile(r"</script(?=[\s/>])", re.IGNORECASE)
_ATTRIBUTES = re.compile(r"(?:[^\"'>]|\"[^\"]*\"|'[^']*')*+>")
_VALUE = re.compile(r"(?:^|\s)(?P<name>lang|type)\s*=\s*[\"']?(?P<value>[^\s\"'>]*)", re.IGNORECASE)
_WITH_JSX = frozenset({"jsx", "tsx"})
_KNOWN = _WITH_JSX | {
    *("", "js", "ts", "javascript", "typescript", "babel", "module"),
    *("text/javascript", "text/typescript", "application/javascript"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentScript:
    """What a component executes. `text` has the length and the lines of the file, with blanks for all else.

    `ending`: that of a file with such a text, `.tsx` where a script says that it has JSX; TypeScript reads JavaScript too.
    `unread`: scripts in other languages, and those in which another one seems to begin.
    """

    text: str
    ending: str
    unread: int = 0


def component_script(text: str) -> ComponentScript:
    """The scripts of a component. Never raises."""
    kept: list[str] = []
    languages: set[str] = set()
    at = unread = 0
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


def _end_of_tag(text: str, start: int) -> int:
    found = _ATTRIBUTES.match(text, start)
    if found is not None:
        return found.end()
    end = text.find(">", start)
    return end + 1 if end >= 0 else len(text)


def _language(tag: str) -> str:
    """What an opening tag says of its script; `lang` before `type`."""
    said = {found["name"].lower(): found["value"].lower() for found in reversed(list(_VALUE.finditer(tag)))}
    return said.get("lang") or said.get("type") or ""


def _blank(text: str) -> str:
    """As many characters, and the same ends of lines."""
    return re.sub(r"[^\r\n\u2028\u2029]", " ", text)
