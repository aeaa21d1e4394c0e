"""Of a single-file component the scripts are left, each character in its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.tools.analysis.programs.component_scripts import scripts_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "<template>\n</template>\n<script setup>\na()\n</script>\n",
            "          \n           \n              \na()\n         \n",
        ),
        ('<script a=">" b>x</script><p>', " " * 16 + "x" + " " * 12),
        ("<SCRIPT>x</SCRIPT >y", "        x           "),
        ("<script>x</script><script>y</script>", "        x                 y         "),
        ("<!-- <script>x</script> --><script>y", "                                   y"),
        ("<!-- <script>x</script>", "                       "),
        ("<scripts>x</scripts>", "                    "),
        ("<script>\r\nx\r\n", "        \r\nx\r\n"),
        ('<script a="', "           "),
    ],
)
def test_what_a_script_is(text: str, expected: str) -> None:
    assert scripts_of(text) == expected


def test_astro_has_its_script_between_fences() -> None:
    assert scripts_of("---\na()\n---\n<p/>\n", astro=True) == "   \na()\n   \n    \n"
    assert scripts_of("---\na()\n", astro=True) == "   \na()\n"
    assert scripts_of("<p/>\n---\na()\n---\n", astro=True).strip() == ""


@given(st.text(alphabet="<script>/!-\"' =\n\rx", max_size=80), st.booleans())
def test_nothing_moves(text: str, astro: bool) -> None:
    made = scripts_of(text, astro=astro)
    assert len(made) == len(text)
    assert all(one == other or one == " " for one, other in zip(made, text, strict=True))
    assert [one for one in made if one in "\r\n"] == [one for one in text if one in "\r\n"]


@given(st.text(alphabet="ax=;\n", max_size=40), st.text(alphabet="<p>ab/\n", max_size=40))
def test_a_script_is_kept_whole(script: str, around: str) -> None:
    made = scripts_of(f"{around}<script>{script}</script>{around}")
    assert made.strip() == script.strip()
