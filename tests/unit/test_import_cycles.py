"""Import cycles: components against brute force, what a change adds, and what counts as an import of Python."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.import_cycles import Graph, added_cycles, all_cycles, components, cycle_finding, shortest
from forge_dagster.domain.outcomes import Severity
from forge_dagster.domain.python_imports import python_graph
from forge_dagster.domain.script_imports import cruised_graph, line_of_import

NODES = "abcdefg"


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, dict[str, int]]:
    edges = draw(st.sets(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda e: e[0] != e[1]), max_size=16))
    found: dict[str, dict[str, int]] = {node: {} for node in NODES}
    for number, (a, b) in enumerate(sorted(edges), 1):
        found[a][b] = number
    return found


def reach(graph: Graph) -> dict[str, set[str]]:
    """Who is reached from whom, by closing over and over."""
    found = {node: set(graph[node]) for node in graph}
    for _ in graph:
        for node in graph:
            found[node] |= {further for near in found[node] for further in found[near]}
    return found


@given(graphs())
def test_components_are_the_sets_that_reach_each_other(graph: dict[str, dict[str, int]]) -> None:
    far = reach(graph)
    expected = {frozenset(b for b in NODES if b == a or (b in far[a] and a in far[b])) for a in NODES}
    assert set(components(graph)) == {members for members in expected if len(members) > 1}


@given(graphs())
def test_every_cycle_told_is_one_and_none_is_shorter(graph: dict[str, dict[str, int]]) -> None:
    cycles = all_cycles(graph)
    assert [cycle.modules <= members for cycle, members in zip(cycles, components(graph), strict=True)].count(False) == 0
    for cycle in cycles:
        steps = list(zip(cycle.path, (*cycle.path[1:], cycle.path[0]), cycle.lines, strict=True))
        assert all(graph[a][b] == line for a, b, line in steps)
        assert len(set(cycle.path)) == len(cycle.path)
        if len(cycle.path) > 2:
            members = next(members for members in components(graph) if cycle.modules <= members)
            assert not any(a in graph[b] for a in members for b in graph[a])


@given(graphs(), graphs())
def test_a_change_is_blamed_for_what_it_connects_and_for_nothing_else(
    head: dict[str, dict[str, int]], base: dict[str, dict[str, int]]
) -> None:
    added = added_cycles(head, base)
    old = reach(base)
    together = {(a, b) for a in NODES for b in NODES if b in old[a] and a in old[b]}
    now = {(a, b) for members in components(head) for a in members for b in members if a != b}
    assert bool(added) == bool(now - together)
    for cycle in added:
        first, second = cycle.path[0], cycle.path[1]
        assert second in head[first]
        assert second not in base[first]
        assert (first, second) not in together


@given(graphs())
def test_nothing_is_added_where_nothing_changes(graph: dict[str, dict[str, int]]) -> None:
    assert not added_cycles(graph, graph)


def test_a_cycle_that_shrinks_or_is_renamed_is_not_new() -> None:
    base = {"a": {"b": 1}, "b": {"c": 1}, "c": {"a": 1}}
    assert not added_cycles({"a": {"b": 1}, "b": {"a": 1}, "c": {}}, base)
    renamed = {"x": {"b": 1}, "b": {"c": 1}, "c": {"x": 1}}
    assert not added_cycles(renamed, base, {"a": "x"})
    assert added_cycles(renamed, base)


def test_a_cycle_that_grows_tells_of_the_import_that_made_it() -> None:
    base = {"a": {"b": 1}, "b": {"a": 1}, "c": {"a": 9}}
    (cycle,) = added_cycles({"a": {"b": 1}, "b": {"a": 1, "c": 7}, "c": {"a": 9}}, base)
    assert str(cycle) == "b -> c -> a -> b"
    finding = cycle_finding("t", cycle)
    assert (finding.file, finding.line, finding.severity) == ("b", 7, Severity.ERROR)
    assert "c:9, a:1" in finding.message


def test_shortest_begins_with_the_import_it_is_asked_about() -> None:
    graph = {"a": {"b": 1, "c": 2}, "b": {"a": 3}, "c": {"d": 4}, "d": {"a": 5}}
    cycle = shortest(graph, "a", "c", frozenset(graph))
    assert cycle is not None
    assert (cycle.path, cycle.lines) == (("a", "c", "d"), (2, 4, 5))
    assert shortest(graph, "a", "c", frozenset("ac")) is None


# --- Python ------------------------------------------------------------------------------------------------------------


def edges(texts: Mapping[str, str], folders: tuple[str, ...] = ()) -> set[tuple[str, str, int]]:
    graph, _ = python_graph(texts, folders)
    return {(a, b, line) for a, found in graph.items() for b, line in found.items()}


PACKAGE = {"p/__init__.py": "", "p/a.py": "", "p/b.py": "", "p/sub/__init__.py": "", "p/sub/c.py": ""}


@pytest.mark.parametrize(
    ("path", "text", "target"),
    [
        ("p/a.py", "import p.b", "p/b.py"),
        ("p/a.py", "from p import b", "p/b.py"),
        ("p/a.py", "from p.b import x", "p/b.py"),
        ("p/a.py", "from . import b", "p/b.py"),
        ("p/a.py", "from .b import *", "p/b.py"),
        ("p/a.py", "from .sub.c import x", "p/sub/c.py"),
        ("p/a.py", "from p import VERSION", "p/__init__.py"),
        ("p/a.py", "from . import VERSION", "p/__init__.py"),
        ("p/sub/c.py", "from .. import b", "p/b.py"),
        ("p/sub/c.py", "from ..b import x", "p/b.py"),
        ("p/sub/__init__.py", "from . import c", "p/sub/c.py"),
        ("p/sub/__init__.py", "from .. import a", "p/a.py"),
        ("p/__init__.py", "from .a import x", "p/a.py"),
        ("p/a.py", "try:\n    import p.b\nexcept ImportError:\n    pass", "p/b.py"),
        ("p/a.py", "try:\n    pass\nexcept ImportError:\n    import p.b", "p/b.py"),
        ("p/a.py", "class A:\n    import p.b", "p/b.py"),
        ("p/a.py", "if True:\n    import p.b", "p/b.py"),
        ("p/a.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import p.b", "p/b.py"),
        ("p/a.py", "match x:\n    case 1:\n        import p.b", "p/b.py"),
        ("p/a.py", "with x:\n    import p.b", "p/b.py"),
    ],
)  # fmt: skip
def test_what_loading_a_module_imports(path: str, text: str, target: str) -> None:
    assert {(a, b) for a, b, _ in edges({**PACKAGE, path: text})} == {(path, target)}
    # the same package below src, and a namespace package
    moved = {f"src/{name}": content for name, content in {**PACKAGE, path: text}.items()}
    assert {(a, b) for a, b, _ in edges(moved)} == {(f"src/{path}", f"src/{target}")}


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    import p.b",
        "async def f():\n    from p import b",
        "class A:\n    def f(self):\n        import p.b",
        "if TYPE_CHECKING:\n    import p.b",
        "import typing as t\nif t.TYPE_CHECKING:\n    from .b import x",
        "import json\nfrom os import path\nfrom p_other import b",
        "from .... import b",
        "from p import *",
    ],
)
def test_what_it_does_not_import(text: str) -> None:
    found = {(a, b) for a, b, _ in edges({**PACKAGE, "p/a.py": text})}
    assert found <= {("p/a.py", "p/__init__.py")}
    assert ("p/a.py", "p/b.py") not in found


def test_a_package_whose_init_takes_from_its_modules_is_no_cycle_until_they_take_back() -> None:
    fine = {"p/__init__.py": "from p.a import x\n", "p/a.py": "from p import b\nimport p.b\n", "p/b.py": ""}
    assert not all_cycles(python_graph(fine)[0])
    (cycle,) = all_cycles(python_graph({**fine, "p/b.py": "\nfrom p import x\n"})[0])
    assert cycle.modules == {"p/__init__.py", "p/a.py", "p/b.py"}


def test_namespace_packages_are_imported_from_the_folders_given() -> None:
    texts = {"src/n/a.py": "from n.b import x", "src/n/b.py": "from n import a"}
    assert len(edges(texts, ("src",))) == 2
    assert not edges(texts)


def test_of_two_modules_of_a_name_the_nearest_is_meant() -> None:
    texts = {"one/app.py": "import lib", "one/lib.py": "", "two/app.py": "import lib", "two/lib.py": ""}
    assert {(a, b) for a, b, _ in edges(texts)} == {("one/app.py", "one/lib.py"), ("two/app.py", "two/lib.py")}


def test_files_that_cannot_be_parsed_are_named() -> None:
    graph, unreadable = python_graph({"a.py": "import b", "b.py": "def (", "c.py": "x\0"})
    assert set(unreadable) == {"b.py", "c.py"}
    assert graph["a.py"] == {"b.py": 1}


@given(
    st.dictionaries(
        st.text(alphabet="ab/._", min_size=1, max_size=8).map(lambda n: f"{n}.py"), st.text(max_size=40), max_size=5
    )
)
def test_any_tree_can_be_read(texts: dict[str, str]) -> None:
    graph, _ = python_graph(texts, ("", "src"))
    assert set(graph) == set(texts)
    assert {b for found in graph.values() for b in found} <= set(texts)


# --- JavaScript and TypeScript -----------------------------------------------------------------------------------------


@given(st.binary(max_size=60) | st.sampled_from([b"{}", b'{"modules": [{}]}', b'{"modules": 1}', b"[1]", b"[" * 3000]))
def test_a_report_of_any_kind_is_read_or_refused(data: bytes) -> None:
    assert cruised_graph(data, lambda path: True) is None


@pytest.mark.parametrize(
    ("text", "target", "line"),
    [
        ('import a from "x";\nimport { b } from "./b.js";', "src/b.ts", 2),
        ("const b = require('../lib/b')", "lib/b.js", 1),
        ('export * from "./parts";\nimport "y";', "src/parts/index.ts", 1),
        ('import { b } from "@/b";', "src/b.tsx", 1),
        ('import { b } from "./c";', "src/b.ts", 0),
    ],
)
def test_the_line_of_an_import_is_found_by_what_it_names(text: str, target: str, line: int) -> None:
    assert line_of_import(text, target) == line
