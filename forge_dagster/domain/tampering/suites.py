"""The tests of base and head side by side: what is gone, skipped, or asks for less than it did. For any language."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.tampering.signs import Sign, asks, found, rejects

_NAMED = 5
"""Tests named in one finding."""
_ALIKE = 0.6
"""Share of its checks that a test keeps when it is taken for the same one under another name."""


class Strength(IntEnum):
    """How much a check demands."""

    NOTHING = 0
    """Holds whatever the code does: `assert True`."""
    EXISTENCE = 1
    KIND = 2
    PART = 3
    NEARLY = 4
    EXACT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One demand of a test. `text` says it without its formatting and the names of local variables; `subject` is what it is
    about. `slack`: how far off a value may be; a larger one demands less.
    """

    text: str
    subject: str
    strength: Strength
    line: int
    shown: str
    slack: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TestFact:
    """One test as its text tells it. `body` is a digest that no name of the test is part of, `whole` one of all of it.

    `look` finds what it checks: only asked for a test that is not the same on both sides.
    """

    __test__ = False

    id: str
    line: int
    body: str
    whole: str
    look: Callable[[], tuple[Check, ...]] = tuple
    skips: tuple[str, ...] = ()
    """Why it may not run, or not count: markers and calls."""
    clocks: tuple[str, ...] = ()
    """What it replaces of the clock."""
    mocks: tuple[str, ...] = ()
    """What else it replaces."""

    @property
    def checks(self) -> tuple[Check, ...]:
        """What it demands."""
        return self.look()


Tests = Mapping[str, Sequence[TestFact]]
"""Path -> the tests in that file."""


def compare(base: Tests, head: Tests, *, renamed: Mapping[str, str], source_changed: bool) -> tuple[Finding, ...]:
    """What the head's tests no longer ask. `renamed`: path in the head -> path in the base.

    `source_changed`: whether the change touches code that is no test. Only then does a changed expectation ask for a person:
    the test now says what the new code does.
    """
    pairs, gone = _matched(base, head, renamed)
    findings = [found(_removed(tests), path) for path, tests in gone.items()]
    for path, old, new in pairs:
        findings += [found(sign, path) for sign in _compared(old, new, source_changed=source_changed)]
    return tuple(findings)


_Pairs = list[tuple[str, TestFact, TestFact]]


def _matched(base: Tests, head: Tests, renamed: Mapping[str, str]) -> tuple[_Pairs, dict[str, list[TestFact]]]:
    """The tests that are still there, each with its file in the head, and those that are gone, by their file in the base."""
    pairs: _Pairs = []
    names = {old: new for new, old in renamed.items()}
    spare: list[tuple[str, TestFact]] = []
    missing: list[tuple[str, TestFact]] = []
    left = {path: _by_id(tests) for path, tests in head.items()}
    for path, tests in base.items():
        there = left.get(names.get(path, path), {})
        for old in tests:
            same = there.get(old.id)
            if same:
                pairs.append((names.get(path, path), old, same.pop(0)))
            else:
                missing.append((path, old))
    spare = [(path, test) for path, ids in left.items() for tests in ids.values() for test in tests]
    gone: dict[str, list[TestFact]] = defaultdict(list)
    for path, old in missing:
        index = _counterpart(names.get(path, path), old, spare)
        if index is None:
            gone[path].append(old)
        else:
            there_path, new = spare.pop(index)
            pairs.append((there_path, old, new))
    return pairs, gone


def _by_id(tests: Sequence[TestFact]) -> dict[str, list[TestFact]]:
    found_by: dict[str, list[TestFact]] = defaultdict(list)
    for test in tests:
        found_by[test.id].append(test)
    return found_by


def _counterpart(path: str, old: TestFact, spare: Sequence[tuple[str, TestFact]]) -> int | None:
    """Which of the head's new tests is this one, moved or renamed."""
    same_body = [n for n, (_, test) in enumerate(spare) if test.body == old.body]
    if same_body:
        return min(same_body, key=lambda n: spare[n][0] != path)
    leaf = _leaf(old)
    same_name = [n for n, (_, test) in enumerate(spare) if _leaf(test) == leaf]
    if same_name:
        return min(same_name, key=lambda n: (-_alike(old, spare[n][1]), spare[n][0] != path))
    near = [(n, _alike(old, test)) for n, (there, test) in enumerate(spare) if there == path]
    best = max(near, key=lambda pair: pair[1], default=None)
    return best[0] if best is not None and best[1] >= _ALIKE else None


def _leaf(test: TestFact) -> str:
    return test.id.rpartition("::")[2].rpartition(" > ")[2]


def _alike(old: TestFact, new: TestFact) -> float:
    if not old.checks:
        return 0.0
    kept = Counter(check.text for check in old.checks) & Counter(check.text for check in new.checks)
    return kept.total() / len(old.checks)


def _removed(tests: Sequence[TestFact]) -> Sign:
    names = ", ".join(one_line(test.id, 80) for test in tests[:_NAMED])
    more = f" and {len(tests) - _NAMED} more" if len(tests) > _NAMED else ""
    what = "a test that the base has is" if len(tests) == 1 else f"{len(tests)} tests that the base has are"
    return asks(
        "test-removed", f"{what} gone: {names}{more}", fix="put it back, or say in the pull request why it is not needed"
    )


def _compared(old: TestFact, new: TestFact, *, source_changed: bool) -> list[Sign]:
    signs = []
    name = one_line(new.id, 120)
    for skip in _added(old.skips, new.skips):
        fix = "let the test run, and mend what it finds"
        signs.append(asks("test-skipped", f"{name} ran on the base and now has: {skip}", line=new.line, fix=fix))
    for clock in _added(old.clocks, new.clocks):
        message = f"{name} now runs under a clock of its own: {clock}"
        signs.append(asks("clock-patched", message, line=new.line, fix="say why the test needs it, or leave the clock alone"))
    mocks = _added(old.mocks, new.mocks)
    subjects = " ".join(check.subject for check in new.checks) if mocks else ""
    for mock in mocks:
        if mock.rpartition(".")[2] in subjects:
            message = f"{name} now replaces {mock}, which is what it checks"
            signs.append(asks("unit-mocked", message, line=new.line, fix="test the code itself"))
    if old.whole == new.whole:
        return signs
    return signs + _weaker(old, new, name, source_changed=source_changed)


def _added(old: Iterable[str], new: Iterable[str]) -> list[str]:
    return list((Counter(new) - Counter(old)).elements())


def _weaker(old: TestFact, new: TestFact, name: str, *, source_changed: bool) -> list[Sign]:
    lost = _minus(old.checks, new.checks)
    gained = _minus(new.checks, old.checks)
    if not lost:
        return []
    if new.checks and all(check.strength is Strength.NOTHING for check in new.checks):
        message = f"{name} checks nothing any more: {new.checks[0].shown}"
        return [rejects("assertion-emptied", message, line=new.checks[0].line, fix="have the test check what it checked")]
    signs: list[Sign] = []
    rest: list[Check] = []
    for check in lost:
        partner = next((other for other in gained if other.subject == check.subject), None)
        if partner is None:
            rest.append(check)
            continue
        gained.remove(partner)
        signs += _against(check, partner, name, source_changed=source_changed)
    return signs + _unmatched(rest, gained, new, name, source_changed=source_changed)


def _minus(some: Sequence[Check], others: Sequence[Check]) -> list[Check]:
    left = Counter(check.text for check in others)
    kept = []
    for check in some:
        left[check.text] -= 1
        if left[check.text] < 0:
            kept.append(check)
    return kept


def _against(old: Check, new: Check, name: str, *, source_changed: bool) -> list[Sign]:
    change = f"{old.shown} -> {new.shown}"
    if new.strength < old.strength or _slacker(old, new):
        message = f"{name} demands less than before: {change}"
        return [asks("assertion-weakened", message, line=new.line, fix="demand what was demanded")]
    if source_changed and new.strength is old.strength:
        message = f"{name} expects something else, changed together with the code: {change}"
        return [asks("expectation-changed", message, line=new.line, fix="a person says which of the two is right")]
    return []


def _slacker(old: Check, new: Check) -> bool:
    return new.slack is not None and (new.slack > (old.slack or 0.0)) and new.strength <= old.strength


def _unmatched(lost: Sequence[Check], gained: Sequence[Check], new: TestFact, name: str, *, source_changed: bool) -> list[Sign]:
    if not lost:
        return []
    if len(lost) > len(gained):
        shown = "; ".join(check.shown for check in lost[:_NAMED])
        message = f"{name} no longer checks: {shown}"
        return [asks("assertion-removed", message, line=new.line, fix="put the check back, or say why it is not needed")]
    change = f"{lost[0].shown} -> {gained[0].shown}"
    if sum(check.strength for check in gained) < sum(check.strength for check in lost):
        message = f"{name} demands less than before: {change}"
        return [asks("assertion-weakened", message, line=gained[0].line, fix="demand what was demanded")]
    if source_changed:
        message = f"{name} expects something else, changed together with the code: {change}"
        return [asks("expectation-changed", message, line=gained[0].line, fix="a person says which of the two is right")]
    return []
