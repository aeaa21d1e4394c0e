"""Import cycles: who imports whom, which modules can reach each other, and which cycles a change adds. Pure.

What counts is what is executed when a module is loaded: imports inside of functions and below `if TYPE_CHECKING` are how people
break cycles, and so are type-only and dynamic imports of TypeScript.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Severity

Graph = Mapping[str, Mapping[str, int]]
"""File -> the files it imports when it is loaded -> line of the (first) import."""

CYCLE = "import-cycle"
"""Rule of its findings."""
MOST_CYCLES = 50
"""Cycles told of; a change that adds more has one cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """A way from a module back to itself: `path[0]` imports `path[1]` and so on, the last one `path[0]`, at `lines`.

    Line 0: not known.
    """

    path: tuple[str, ...]
    lines: tuple[int, ...]

    @property
    def modules(self) -> frozenset[str]:
        """What it goes through."""
        return frozenset(self.path)

    def __str__(self) -> str:
        return " -> ".join((*self.path, self.path[0]))


def components(graph: Graph) -> tuple[frozenset[str], ...]:
    """The sets of two or more modules that all reach each other (Tarjan's strongly connected components), without recursion."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    open_: dict[str, None] = {}
    found: list[frozenset[str]] = []
    for root in graph:
        if root in index:
            continue
        work: list[tuple[str, Iterator[str]]] = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        open_[root] = None
        while work:
            node, following = work[-1]
            after = next(following, None)
            if after is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    members = _popped(open_, node)
                    if len(members) > 1:
                        found.append(members)
            elif after not in index:
                index[after] = low[after] = len(index)
                open_[after] = None
                work.append((after, iter(graph.get(after, {}))))
            elif after in open_:
                low[node] = min(low[node], index[after])
    return tuple(sorted(found, key=sorted))


def _popped(open_: dict[str, None], node: str) -> frozenset[str]:
    members = set()
    while True:
        last, _ = open_.popitem()
        members.add(last)
        if last == node:
            return frozenset(members)


def shortest(graph: Graph, start: str, after: str, within: frozenset[str]) -> Cycle | None:
    """The shortest cycle inside `within` that begins with the import of `after` by `start`; None where there is none."""
    before: dict[str, str] = {after: start}
    waiting = deque([after])
    while waiting and start not in before:
        node = waiting.popleft()
        for following in graph.get(node, {}):
            if following in within and following not in before:
                before[following] = node
                waiting.append(following)
    if start not in before:
        return None
    backwards = [start]
    node = before[start]
    while node != start:
        backwards.append(node)
        node = before[node]
    path = (start, *reversed(backwards[1:]))
    return Cycle(path=path, lines=tuple(graph[a][b] for a, b in zip(path, (*path[1:], start), strict=True)))


def all_cycles(graph: Graph) -> tuple[Cycle, ...]:
    """One cycle, a shortest one, for each set of modules that reach each other."""
    found = []
    for members in components(graph):
        cycles = (shortest(graph, a, b, members) for a in sorted(members) for b in sorted(graph[a]) if b in members)
        found.append(min((cycle for cycle in cycles if cycle is not None), key=lambda cycle: (len(cycle.path), cycle.path)))
    return tuple(found[:MOST_CYCLES])


def added_cycles(head: Graph, base: Graph, renamed: Mapping[str, str] | None = None) -> tuple[Cycle, ...]:
    """The cycles that are the change's doing, each beginning with the import that closes it.

    Modules that reached each other in the base may go on to, in any way; `renamed` is old path -> new path. A set of modules
    that has grown was made larger by imports that the base lacks, between modules which did not reach each other there: the
    shortest cycle through each of those is told, one for each set of modules it goes through.
    """
    names = renamed or {}
    old = {names.get(a, a): {names.get(b, b) for b in found} for a, found in base.items()}
    home: dict[str, frozenset[str]] = {}
    for members in components(base):
        here = frozenset(names.get(module, module) for module in members)
        home.update(dict.fromkeys(here, here))
    cycles: dict[frozenset[str], Cycle] = {}
    for members in components(head):
        for a in sorted(members):
            for b in sorted(head[a]):
                together = b in home.get(a, ())
                if b not in members or together or b in old.get(a, ()):
                    continue
                cycle = shortest(head, a, b, members)
                if cycle is not None and len(cycles) < MOST_CYCLES:
                    cycles.setdefault(cycle.modules, cycle)
    return tuple(cycles.values())


def cycle_finding(
    tool: str, cycle: Cycle, *, severity: Severity = Severity.ERROR, attribution: Attribution = Attribution.UNKNOWN
) -> Finding:
    """The finding for a cycle, at the import that it begins with."""
    first, second = cycle.path[0], cycle.path[1]
    return Finding(
        tool=tool,
        rule=CYCLE,
        category=Category.ARCHITECTURE,
        severity=severity,
        attribution=attribution,
        file=first,
        line=cycle.lines[0] or None,
        message=f"import cycle: {cycle}{_places(cycle)}",
        suggested_fix=f"let {first} do without {second}: move what both need into a module of its own",
        snippet=" ".join(sorted(cycle.modules)),
    )


def _places(cycle: Cycle) -> str:
    """The other imports that make it up."""
    places = [f"{file}:{line}" for file, line in zip(cycle.path[1:], cycle.lines[1:], strict=True) if line]
    return f" (with the imports at {', '.join(places)})" if places else ""
