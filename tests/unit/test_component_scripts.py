"""The scripts of single-file components: where they stand, and nothing of what is beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.component_scripts import component_script

VUE = """<script setup lang="ts">
import { ref } from 'vue'
const open = ref(false)
</script>

<template>
  <p v-if="open">it's {{ open > 1 }}</p>
</template>

<script>
export default { name: 'shop' }
</script>

<style>
p { color: red }
</style>
"""


def test_scripts_stay_on_their_lines_and_all_else_is_blank() -> None:
    found = component_script(VUE)
    lines = found.text.split("\n")
    assert [(number, line) for number, line in enumerate(lines, 1) if line.strip()] == [
        (2, "import { ref } from 'vue'"),
        (3, "const open = ref(false)"),
        (11, "export default { name: 'shop' }"),
    ]
    assert (found.ending, found.unread) == (".ts", 0)


@pytest.mark.parametrize(
    ("text", "script", "ending"),
    [
        ("<script>a</script>", "a", ".ts"),
        ("<SCRIPT lang='tsx'>a</Script >", "a", ".tsx"),
        ('<script generics="T extends Array<U>" lang=ts>a</script>', "a", ".ts"),
        ("<script context=module>a</script><p/><script>b", "a b", ".ts"),
        ("<script src='./a.js' />b", "", ".ts"),
        ("<script lang='coffee'>a</script><script type=application/json>{}</script>", "", ".ts"),
        ("<!-- <script>a</script> -->", "a", ".ts"),
        ("<p title='<!--'/><script>a</script>", "a", ".ts"),
        ("<scripted>a</scripted>", "", ".ts"),
        ("<script", "", ".ts"),
        ("<script title='>a</script>", "a", ".ts"),
        ('<script data-type="x" type="module">a</script>', "a", ".ts"),
    ],
)
def test_what_is_a_script(text: str, script: str, ending: str) -> None:
    found = component_script(text)
    assert (" ".join(found.text.split()), found.ending) == (script, ending)


def test_astro_has_its_script_between_fences() -> None:
    assert component_script("---\na()\n---\n<p/><script>b</script>", astro=True).text.split() == ["a()", "b"]
    assert component_script("---\na()\n", astro=True).text == "   \na()\n"
    assert component_script("<p/>\n---\na()\n---\n", astro=True).text.strip() == ""
    assert component_script("---\na()\n---\n").text.strip() == ""


def test_scripts_in_other_languages_and_those_that_may_hide_another_are_counted() -> None:
    assert component_script("<script lang='coffee'>a</script><script lang=pug>b</script>").unread == 2
    hiding = component_script("<!-- <script> --><p/><script>a</script>")
    assert (hiding.unread, "a" in hiding.text) == (1, True)
    assert component_script("<!-- <script>a</script> --><script>b</script>").unread == 0


_PIECES = st.sampled_from(
    [
        "<script>",
        "<script lang='ts'>",
        "</script>",
        "<script ",
        "a = '>'",
        "\n",
        "\r\n",
        "\u2028",
        "<!--",
        "-->",
        "<p>",
        "/>",
        "'",
        '"',
        "x",
    ]
)


@given(st.lists(_PIECES, max_size=30).map("".join) | st.text(max_size=200))
def test_every_character_is_kept_in_its_place_or_blank(text: str) -> None:
    found = component_script(text).text
    assert len(found) == len(text)
    assert all(here == there or here == " " for here, there in zip(found, text, strict=True))
    ends = [number for number, char in enumerate(text) if char in "\r\n"]
    assert [number for number, char in enumerate(found) if char in "\r\n"] == ends


@given(
    st.lists(st.text("ab \n=1;{}", max_size=20), min_size=1, max_size=4),
    st.text("ab \n<p>\"'", max_size=20),
)
def test_whatever_stands_between_tags_is_found(scripts: list[str], beside: str) -> None:
    text = beside.join(f"<script>{script}</script>" for script in scripts)
    found = component_script(text).text
    for script in scripts:
        assert script in found


@given(st.integers(1, 3_000))
def test_no_text_takes_long(count: int) -> None:
    for piece in ("<script '", '<script a="', "<script", "<script>", "<script ''"):
        component_script(piece * count)
