"""Showing foreign text in Markdown so that it stays text: no mention, link, image, HTML, or end of a block."""

import re

from forge_dagster.domain.audit import canonical_json
from forge_dagster.domain.plain_text import one_line


def code(text: str, limit: int = 300) -> str:
    """`text` as one code span, cut at `limit` characters; empty for nothing.

    In a code span GitHub looks for no mention, issue number, address or tag. The fence is longer than any run of backticks
    inside (CommonMark 0.31, section 6.1), so the text cannot end it.
    """
    line = one_line(text, limit)
    if not line:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def json_block(value: object) -> str:
    """`value` as a fenced block of JSON on one line, still the very same value when parsed.

    Characters that mean something to Markdown, HTML or a mention scanner are written as \\u escapes, which JSON allows
    inside strings, and they occur nowhere else.
    """
    text = canonical_json(value)
    for character in "`<>&@~":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f"```json\n{text}\n```"
