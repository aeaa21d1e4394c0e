"""Reports of what tests executed: three foreign formats, our own, and garbage."""

import json

from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.coverage_report import FileCoverage, dump_coverage, merge_coverage, parse_coverage, relative

ROOT = "/work/tree"

COVERAGE_PY = {
    "meta": {"format": 3, "version": "7.17.3", "branch_coverage": True},
    "files": {
        "src/shop/price.py": {
            "executed_lines": [1, 2, 3],
            "missing_lines": [6],
            "excluded_lines": [4, 5],
            "executed_branches": [[2, 3], [3, -1]],
            "missing_branches": [[2, 6]],
        },
        "/usr/lib/python3/other.py": {"executed_lines": [1], "missing_lines": []},
    },
}
ISTANBUL = {
    f"{ROOT}/src/price.ts": {
        "path": f"{ROOT}/src/price.ts",
        "statementMap": {"0": {"start": {"line": 1}}, "1": {"start": {"line": 2}}, "2": {"start": {"line": 2}}},
        "s": {"0": 0, "1": 0, "2": 4},
        "branchMap": {"0": {"loc": {"start": {"line": 2}}, "type": "if"}, "1": {"line": 2}},
        "b": {"0": [3, 0], "1": [1]},
        "fnMap": {},
        "f": {},
    }
}
LCOV = """TN:
SF:src/a.js
DA:1,1
DA:2,0
DA:3,5
BRDA:3,0,0,1
BRDA:3,0,1,-
end_of_record
SF:/elsewhere/b.js
DA:1,1
end_of_record
"""


def parsed(report: object) -> dict[str, FileCoverage]:
    found = parse_coverage(json.dumps(report).encode(), [ROOT])
    assert found is not None
    return dict(found)


def test_reads_coverage_py() -> None:
    assert parsed(COVERAGE_PY) == {
        "src/shop/price.py": FileCoverage(
            path="src/shop/price.py",
            executed=frozenset({1, 2, 3}),
            missing=frozenset({6}),
            excluded=frozenset({4, 5}),
            branches={2: (1, 2), 3: (1, 1)},
            arms={2: frozenset({"3"}), 3: frozenset({"-1"})},
        )
    }


def test_reads_istanbul() -> None:
    expected = FileCoverage(
        path="src/price.ts",
        executed=frozenset({2}),
        missing=frozenset({1}),
        branches={2: (2, 3)},
        arms={2: frozenset({"0.0", "1.0"})},
    )
    assert parsed(ISTANBUL) == {"src/price.ts": expected}


def test_reads_the_map_in_a_json_report_of_vitest() -> None:
    assert parsed({"testResults": [], "coverageMap": ISTANBUL}) == parsed(ISTANBUL)
    assert parse_coverage(b'{"testResults": [], "coverageMap": 1}', [ROOT]) is None
    assert parse_coverage(b'{"testResults": []}', [ROOT]) is None


def test_reads_lcov() -> None:
    expected = FileCoverage(
        path="src/a.js",
        executed=frozenset({1, 3}),
        missing=frozenset({2}),
        branches={3: (1, 2)},
        arms={3: frozenset({"0.0"})},
    )
    assert parse_coverage(LCOV.encode(), [ROOT]) == {"src/a.js": expected}


def test_own_format_comes_back_as_it_went() -> None:
    coverage = parsed(COVERAGE_PY)
    assert parse_coverage(dump_coverage(coverage), ["/another/root"]) == coverage


def test_what_is_no_report_is_none() -> None:
    for data in (
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"a": 1}',
        b'{"meta": {}, "files": []}',
        b"<xml/>",
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ):
        assert parse_coverage(data, [ROOT]) is None


def test_an_empty_report_covers_nothing() -> None:
    assert parse_coverage(b'{"meta": {}, "files": {}}', [ROOT]) == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
shapes = st.one_of(
    st.fixed_dictionaries(
        {
            "meta": json_values,
            "files": st.dictionaries(
                st.text(max_size=6),
                st.fixed_dictionaries(
                    {"executed_lines": st.lists(json_values, max_size=3)},
                    optional=dict.fromkeys(("missing_lines", "executed_branches", "missing_branches"), json_values),
                ),
                max_size=2,
            ),
        }
    ),
    st.dictionaries(
        st.text(max_size=6),
        st.fixed_dictionaries(
            {
                "statementMap": st.dictionaries(st.text(max_size=1), json_values),
                "s": st.dictionaries(st.text(max_size=1), json_values),
            },
            optional=dict.fromkeys(("path", "branchMap", "b"), json_values),
        ),
        min_size=1,
        max_size=2,
    ),
    st.fixed_dictionaries({"schema": st.just("forge.coverage/1"), "files": json_values}),
    json_values,
)


@given(shapes)
def test_hostile_json_never_raises(report: object) -> None:
    found = parse_coverage(json.dumps(report).encode("utf-8", "surrogatepass"), [ROOT])
    assert found is None or all(line > 0 for one in found.values() for line in one.coverable | set(one.branches))


@given(st.binary(max_size=200) | st.text(alphabet="SFDABR:,0123456789\nend_of_record-/.", max_size=120).map(str.encode))
def test_hostile_bytes_never_raise(data: bytes) -> None:
    found = parse_coverage(data, [ROOT])
    assert found is None or all(not path.startswith(("/", "..")) for path in found)


lines = st.frozensets(st.integers(1, 30), max_size=8)
reports = st.dictionaries(
    st.sampled_from(["a.py", "b.py"]),
    st.builds(FileCoverage, path=st.just(""), executed=lines, missing=lines, excluded=lines),
).map(
    lambda found: {
        path: FileCoverage(path=path, executed=one.executed, missing=one.missing - one.executed) for path, one in found.items()
    }
)


@given(reports, reports)
def test_merged_reports_execute_what_either_does(one: dict[str, FileCoverage], other: dict[str, FileCoverage]) -> None:
    merged = merge_coverage([one, other])
    assert set(merged) == set(one) | set(other)
    for path, both in merged.items():
        parts = [report[path] for report in (one, other) if path in report]
        assert both.executed == frozenset().union(*(part.executed for part in parts))
        assert both.coverable == frozenset().union(*(part.coverable for part in parts))
        assert both.executed.isdisjoint(both.missing)


def test_paths_outside_of_the_tree_are_not_in_it() -> None:
    assert relative("src/a.py", [ROOT]) == "src/a.py"
    assert relative(f"{ROOT}/src/../b.py", [ROOT]) == "b.py"
    assert relative("../x.py", [ROOT]) is None
    assert relative("/work/treehouse/x.py", [ROOT]) is None
    assert relative("/private/work/tree/x.py", [ROOT, "/private/work/tree"]) == "x.py"
    assert relative("x.py", [ROOT], "packages/a") == "packages/a/x.py"
    assert relative("../lib/x.py", [ROOT], "packages/a") == "packages/lib/x.py"
    assert relative("../../../../../..", [ROOT]) is None


def one_branch(taken: int, total: int, names: frozenset[str]) -> dict[str, FileCoverage]:
    return {"a.py": FileCoverage(path="a.py", executed=frozenset({1}), branches={1: (taken, total)}, arms={1: names})}


arms = st.frozensets(st.sampled_from("abcd"), max_size=4)


@given(arms, arms)
def test_arms_that_either_report_took_are_taken(one: frozenset[str], other: frozenset[str]) -> None:
    merged = merge_coverage([one_branch(len(one), 4, one), one_branch(len(other), 4, other)])
    assert merged["a.py"].branches == {1: (len(one | other), 4)}
    assert parse_coverage(dump_coverage(merged), []) == merged or not one | other


def test_arms_without_names_count_as_in_the_better_report() -> None:
    merged = merge_coverage([one_branch(1, 2, frozenset()), one_branch(1, 2, frozenset({"a"}))])
    assert merged["a.py"].branches == {1: (1, 2)}
