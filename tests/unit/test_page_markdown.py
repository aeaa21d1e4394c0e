"""What an agent writes into a comment is shown to people as text, and does nothing in their browser."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.feedback import MARKER
from forge_dagster.domain.markdown import json_block
from forge_dagster.server.markdown import BUDGET, rendered

OURS = re.compile(
    r"</?(?:h[3-6]|p|ul|ol|li|strong|em|code|pre|br /|hr /|blockquote|table|thead|tbody|tr|th|td|details|summary|a)>"
    r'|<ol start="\d+">|<(?:th|td) style="text-align:(?:left|right|center)">'
    r'|<a href="https?://[^"<>]*" rel="noreferrer nofollow">|<code class="[^"<>]*">'
)


def one(text: str) -> str:
    return next(rendered([text]))


def test_a_comment_is_laid_out() -> None:
    shown = one(f"{MARKER}\n## Forge: rejected\n\n- ✗ **unit** failed: `a.py:3`\n\nRun: <https://forge.example/runs/1>\n")
    assert MARKER not in shown
    assert "<h3>Forge: rejected</h3>" in shown
    assert "<strong>unit</strong> failed: <code>a.py:3</code>" in shown
    assert '<a href="https://forge.example/runs/1" rel="noreferrer nofollow">' in shown


def test_what_programs_read_is_folded() -> None:
    shown = one(json_block({"findings": ["x" * 500]}))
    assert shown.startswith("<details><summary>json, ")
    assert "<details>" not in one("```\nshort\n```")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,AAAA)",
        "[x](/owner/name/pull/1/review)",
        "![x](https://example.org/pixel.png)",
        '[x](https://example.org/"onclick="alert(1))',
        "```<b>\n" + "y" * 500 + "</code></pre><script>\n```",
        "<!-- a --><b>",
    ],
)
def test_it_runs_nothing_and_loads_nothing(text: str) -> None:
    assert "<" not in OURS.sub("", one(text))


@given(st.text(alphabet="<>[]()!`*_~|-#&\"'\\:/ \nahtps.", max_size=200))
def test_no_tag_is_the_authors(text: str) -> None:
    assert "<" not in OURS.sub("", one(text))


def test_what_is_over_a_pages_budget_stays_text() -> None:
    shown = list(rendered(["*" * BUDGET, "**late** <b>"]))
    assert shown[1] == "<pre>**late** &lt;b&gt;</pre>"
