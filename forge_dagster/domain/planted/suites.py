"""Faults in tests: one that fails, beside those that are there; and a snapshot that no test asks for."""

import posixpath
import re
from collections.abc import Iterable

from forge_dagster.domain.planted.faults import Fault, Piece
from forge_dagster.domain.planted.sites import Site
from forge_dagster.domain.project import Language

_TEST_CASE = (
    '\n\nclass ForgePlanted{m}(__import__("unittest").TestCase):\n'
    "    def test_forge_planted_{m}(self):\n        self.assertEqual(1, 2)\n\n"
    "    def test_forge_beside_{m}(self):\n        self.assertEqual(1, 1)\n"
)
"""Every Python runner that Forge knows collects it, without any import of its own."""
_PROPERTY_CASE = (
    '\n\nclass ForgePlanted{m}(__import__("unittest").TestCase):\n'
    '    @__import__("hypothesis").given(__import__("hypothesis.strategies").strategies.integers())\n'
    "    def test_forge_planted_{m}(self, number):\n        self.assertLess(number, 7)\n"
)
_CALL = re.compile(r"^(?:await )?([A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)?)\(\s*(?=[\"'`])", re.MULTILINE)
"""A call at the beginning of a line with a text for its first argument, as tests are declared."""
_INNER = re.compile(r"^\s+(it|test|specify)\(\s*(?=[\"'`])", re.MULTILINE)
_GROUPS = frozenset({"describe", "suite", "context", "group", "feature"})
_NO_TESTS = frozenset({"require", "import", "eval", "use", "jest.mock", "vi.mock", "jest.doMock", "vi.doMock"})
_FAIL = (
    '{call}("forge planted {m}", (t{any}) => {{\n'
    '  if (t && typeof t.fail === "function" && typeof t.end === "function") {{\n'
    '    t.fail("forge planted {m}");\n    return t.end();\n  }}\n'
    '  throw new Error("forge planted {m}");\n}});\n'
)
"""tape and node-tap have `t.fail` and `t.end`, and know of a thrown error only that the program broke; the others catch it."""
_THROW = '\nthrow new Error("forge planted {m}");\n'
_CHECKER = re.compile(r"import\s+(?:\*\s+as\s+)?(\w+)\s+from\s+[\"']fast-check|(\w+)\s*=\s*require\(\s*[\"']fast-check")
_PROPERTY_CALL = (
    '{call}("forge planted {m}", () => {{\n  {fc}.assert({fc}.property({fc}.integer(), (given{number}) => given < 7));\n}});\n'
)
_SNAPSHOTS = {
    ".snap": '\nexports[`forge planted {m} 1`] = `"{m}"`;\n',
    ".ambr": "# name: test_forge_planted_{m}\n  '{m}'\n# ---\n",
}
"""Ending -> an entry that no test asks for, of the formats whose runners tell of such: jest and vitest, syrupy."""


def failing_test(gate: str, language: Language, site: Site, mark: str) -> Fault:
    """A test that fails, for gate `unit` or `integration`."""
    piece = Piece(path=site.path, text=_TEST_CASE.format(m=mark))
    if language is Language.TYPESCRIPT:
        piece = _script_test(site, mark, _FAIL)
    what = "a test that fails" if gate == "unit" else "an integration test that fails"
    return Fault(gate=gate, what=what, mark=mark, pieces=(piece,), language=language)


def failing_property(language: Language, site: Site, mark: str) -> Fault:
    """A property that does not hold for all numbers."""
    if language is Language.PYTHON:
        piece = Piece(path=site.path, text=_PROPERTY_CASE.format(m=mark))
    else:
        found = _CHECKER.search(site.text)
        name = "" if found is None else found[1] or found[2]
        piece = _script_test(site, mark, _PROPERTY_CALL if name else _FAIL, fc=name)
    return Fault(gate="property", what="a property that does not hold", mark=mark, pieces=(piece,), language=language)


def _script_test(site: Site, mark: str, text: str, fc: str = "") -> Piece:
    """Before the first test of the file, declared by the same function; where it declares none, an error at its end."""
    typed = site.ending in (".ts", ".mts", ".cts", ".tsx")
    for match in _CALL.finditer(site.text):
        call = match[1]
        if call in _NO_TESTS or call.startswith("console."):
            continue
        if call.partition(".")[0] in _GROUPS:
            inner = _INNER.search(site.text)
            if inner is None:
                continue
            call = inner[1]
        line = site.text.count("\n", 0, match.start()) + 1
        given = text.format(m=mark, call=call, fc=fc, any=": any" if typed else "", number=": number" if typed else "")
        return Piece(path=site.path, text=given, before=line)
    return Piece(path=site.path, text=_THROW.format(m=mark))


def snapshot_file(paths: Iterable[str]) -> str | None:
    """A snapshot file of a kind that an unused entry can be put into."""
    return next((path for path in sorted(paths) if posixpath.splitext(path)[1] in _SNAPSHOTS), None)


def unused_snapshot(path: str, mark: str) -> Fault:
    """An entry in a snapshot file that no test asks for."""
    text = _SNAPSHOTS[posixpath.splitext(path)[1]].format(m=mark)
    language = Language.PYTHON if path.endswith(".ambr") else Language.TYPESCRIPT
    piece = Piece(path=path, text=text)
    return Fault(gate="snapshot", what="a snapshot that no test asks for", mark=mark, pieces=(piece,), language=language)
