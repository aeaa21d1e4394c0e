import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.decisions import Approval, Decision, Risk, RiskLevel, TrustLevel
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import Job, gates_of
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.domain.verdict import MAX_REASONS, Case, complete, give_verdict, verdict_result

SPECS = tuple(spec for spec in gates_of(Job.CHANGE) if spec.name != "verdict")
NAMES = [spec.name for spec in SPECS]
BINDING = [spec.name for spec in SPECS if not spec.advisory]
HEAD = "a" * 40


def _results(**others: Outcome) -> dict[str, GateResult]:
    return {name: gate_result(name, others.get(name, Outcome.PASSED), reason="why") for name in NAMES}


def _case(results: dict[str, GateResult] | None = None, **changes: object) -> Case:
    case = Case(
        attempt_id=1,
        repository="o/r",
        number=1,
        head_sha=HEAD,
        specs=SPECS,
        results=_results() if results is None else results,
        risk=Risk(level=RiskLevel.LOW),
        trust=TrustLevel.L1,
        authors=frozenset({"forge/builder-01"}),
    )
    return dataclasses.replace(case, **changes)  # type: ignore[arg-type]


def _word(by: str = "ann", approved: bool = True, **changes: object) -> Approval:
    return Approval.model_validate(
        {"repository": "o/r", "number": 1, "head_sha": HEAD, "by": by, "approved": approved, "at": 1.0, **changes}
    )


_any_results = st.fixed_dictionaries(
    {},
    optional={name: st.sampled_from(Outcome).map(lambda o, n=name: gate_result(n, o)) for name in NAMES},  # type: ignore[misc]
)
_any_words = st.lists(
    st.builds(
        _word,
        by=st.sampled_from(["ann", "bob", "Forge/Builder-01", "forge/builder-01"]),
        approved=st.booleans(),
        head_sha=st.sampled_from([HEAD, "b" * 40]),
        at=st.floats(0, 9),
    ),
    max_size=4,
).map(tuple)
_any_risk = st.builds(Risk, level=st.sampled_from(RiskLevel), critical=st.booleans(), config_only=st.booleans())
_any_case = st.builds(
    _case,
    results=_any_results,
    risk=_any_risk,
    trust=st.sampled_from(TrustLevel),
    approvals=_any_words,
    kind_declared=st.booleans(),
)


def test_a_trusted_agents_low_risk_change_merges() -> None:
    verdict = give_verdict(_case())
    assert (verdict.outcome, verdict.decision, verdict.approved_by) == (Outcome.PASSED, Decision.MERGE, None)


def test_a_new_agents_change_waits_for_a_person_then_merges() -> None:
    waits = give_verdict(_case(trust=TrustLevel.L0))
    assert (waits.decision, waits.outcome) == (Decision.REVIEW, Outcome.PASSED)
    assert "L0" in waits.reasons[0]
    merged = give_verdict(_case(trust=TrustLevel.L0, approvals=(_word(),)))
    assert (merged.decision, merged.approved_by) == (Decision.MERGE, "ann")


@pytest.mark.parametrize(
    "void",
    [
        _word(by="forge/builder-01"),
        _word(by="FORGE/builder-01"),
        _word(head_sha="b" * 40),
        _word(number=2),
        _word(repository="o/s"),
    ],
)
def test_an_approval_by_the_author_or_of_something_else_is_void(void: Approval) -> None:
    assert give_verdict(_case(trust=TrustLevel.L0, approvals=(void,))).decision is Decision.REVIEW


def test_a_persons_rejection_wins_over_trust_and_over_another_approval() -> None:
    no = _word("bob", approved=False, comment="not like this", at=0.0)
    verdict = give_verdict(_case(approvals=(_word(at=5.0), no)))
    assert (verdict.decision, verdict.outcome) == (Decision.REJECT, Outcome.PASSED)
    assert verdict.reasons == ("bob rejected it: not like this",)


def test_the_latest_word_of_a_person_counts() -> None:
    words = (_word(at=2.0), _word("Ann", approved=False, at=1.0))
    assert give_verdict(_case(trust=TrustLevel.L0, approvals=words)).decision is Decision.MERGE
    assert give_verdict(_case(approvals=(_word(at=1.0), _word(approved=False, at=2.0)))).decision is Decision.REJECT


def test_a_failed_gate_rejects_and_says_which() -> None:
    finding = Finding(tool="ruff", rule="F401", message="unused import", category=Category.LINT, file="a.py", line=4)
    results = _results() | {"lint": gate_result("lint", Outcome.FAILED, findings=[finding])}
    verdict = give_verdict(_case(results, approvals=(_word(),)))
    assert (verdict.decision, verdict.outcome) == (Decision.REJECT, Outcome.FAILED)
    assert verdict.reasons == ("lint failed: 1 finding, a.py:4 unused import",)


def test_a_fast_failure_explains_what_did_not_run() -> None:
    fast = {name: gate_result(name, Outcome.PASSED) for name in ("format", "types", "secrets")}
    results = complete(SPECS, fast | {"lint": gate_result("lint", Outcome.FAILED)})
    assert results["unit"].outcome is Outcome.NOT_RUN
    assert results["smoke"].reason == "lint did not pass"
    assert list(results) == NAMES


def test_a_missing_result_is_the_machinerys_fault() -> None:
    results = _results()
    del results["smoke"]
    verdict = give_verdict(_case(results, approvals=(_word(),)))
    assert (verdict.outcome, verdict.decision) == (Outcome.ERRORED, Decision.REVIEW)
    assert "smoke errored" in verdict.reasons[0]


def test_without_gates_nothing_passes() -> None:
    verdict = give_verdict(_case({}, specs=()))
    assert (verdict.outcome, verdict.decision) == (Outcome.ERRORED, Decision.REVIEW)


def test_a_repository_nobody_could_examine_waits_for_a_person() -> None:
    skipped = dict.fromkeys(set(NAMES) - {"secrets", "integrity"}, Outcome.SKIPPED)
    assert give_verdict(_case(_results(**skipped), trust=TrustLevel.L3)).decision is Decision.REVIEW
    assert give_verdict(_case(_results(**skipped), trust=TrustLevel.L3, kind_declared=True)).decision is Decision.MERGE
    assert give_verdict(_case(_results(**skipped), trust=TrustLevel.L3, approvals=(_word(),))).decision is Decision.MERGE


def test_a_repository_of_which_nothing_was_examined_waits_for_a_person() -> None:
    verdict = give_verdict(_case(_results(**dict.fromkeys(NAMES, Outcome.SKIPPED)), kind_declared=True, light=True))
    assert (verdict.decision, verdict.reasons) == (Decision.REVIEW, ("nothing examined it: every gate was skipped",))


def test_documents_alone_need_nobody_to_look_at_code() -> None:
    results = _results(**dict.fromkeys(set(NAMES) - {"format", "secrets", "integrity"}, Outcome.SKIPPED))
    assert give_verdict(_case(results, light=True)).decision is Decision.MERGE
    only_secrets = results | {"format": gate_result("format", Outcome.SKIPPED)}
    assert give_verdict(_case(only_secrets, light=True)).decision is Decision.MERGE
    assert give_verdict(_case(only_secrets)).decision is Decision.REVIEW
    leaked = results | {"secrets": gate_result("secrets", Outcome.FAILED)}
    assert give_verdict(_case(leaked, light=True)).decision is Decision.REJECT


def _opinion(severity: Severity, **changes: object) -> Finding:
    values = {"tool": "reviewer", "rule": "bug", "message": "looks wrong", "category": Category.REVIEW, "severity": severity}
    return Finding.model_validate({**values, **changes})


@pytest.mark.parametrize("outcome", [Outcome.ERRORED, Outcome.NOT_RUN, Outcome.SKIPPED, Outcome.PASSED, None])
def test_an_opinion_that_is_missing_changes_nothing(outcome: Outcome | None) -> None:
    results = _results()
    del results["review"]
    if outcome is not None:
        results["review"] = gate_result("review", outcome, reason="no endpoint")
    assert give_verdict(_case(results)).decision is Decision.MERGE


@pytest.mark.parametrize("outcome", [Outcome.PASSED, Outcome.FAILED])
def test_an_opinion_that_objects_asks_for_a_person_and_never_rejects(outcome: Outcome) -> None:
    objects = gate_result("review", outcome, findings=[_opinion(Severity.ERROR, file="a.py", line=3)])
    verdict = give_verdict(_case(_results() | {"review": objects}))
    assert (verdict.outcome, verdict.decision) == (Outcome.PASSED, Decision.REVIEW)
    assert verdict.reasons == ("review asks for a person: a.py:3 looks wrong",)
    approved = give_verdict(_case(_results() | {"review": objects}, approvals=(_word(),)))
    assert approved.decision is Decision.MERGE
    remarks = gate_result("review", Outcome.PASSED, findings=[_opinion(Severity.WARNING)])
    assert give_verdict(_case(_results() | {"review": remarks})).decision is Decision.MERGE


def test_an_objection_without_a_finding_asks_too() -> None:
    objects = gate_result("review", Outcome.FAILED, reason="the design is wrong")
    verdict = give_verdict(_case(_results() | {"review": objects}))
    assert verdict.reasons == ("review asks for a person: the design is wrong",)


def test_an_opinion_alone_has_examined_nothing() -> None:
    skipped = _results(**dict.fromkeys(BINDING, Outcome.SKIPPED))
    assert give_verdict(_case(skipped, kind_declared=True)).decision is Decision.REVIEW
    review = tuple(spec for spec in SPECS if spec.advisory)
    assert give_verdict(_case(specs=review)).outcome is Outcome.ERRORED


@pytest.mark.parametrize("gate", ["lint", "unit", "coverage", "sca"])
def test_a_red_baseline_asks_for_a_person_once_per_gate(gate: str) -> None:
    red = [
        Finding(
            tool="t", rule="r", message=f"fault {n}", category=Category.TEST, file="a.py", line=1,
            attribution=Attribution.PREEXISTING,
        )
        for n in range(3)
    ]  # fmt: skip
    results = _results() | {gate: gate_result(gate, Outcome.PASSED, findings=red)}
    verdict = give_verdict(_case(results, trust=TrustLevel.L3))
    assert (verdict.outcome, verdict.decision) == (Outcome.PASSED, Decision.REVIEW)
    assert verdict.reasons == (f"the base is broken already: {gate}, a.py:1 fault 0, and 2 more like it",)


@pytest.mark.parametrize(
    ("category", "severity", "attribution", "decision"),
    [
        (Category.INTEGRITY, Severity.WARNING, Attribution.NEW, Decision.REVIEW),
        (Category.INTEGRITY, Severity.NOTE, Attribution.NEW, Decision.MERGE),
        (Category.LINT, Severity.WARNING, Attribution.NEW, Decision.MERGE),
        (Category.TEST, Severity.ERROR, Attribution.PREEXISTING, Decision.REVIEW),
    ],
)
def test_findings_that_ask_for_a_person(
    category: Category, severity: Severity, attribution: Attribution, decision: Decision
) -> None:
    finding = Finding(tool="t", rule="r", message="m", category=category, severity=severity, attribution=attribution)
    results = _results() | {"integrity": gate_result("integrity", Outcome.PASSED, findings=[finding])}
    assert give_verdict(_case(results)).decision is decision


@given(_any_case)
def test_nothing_merges_unless_every_gate_let_it_through(case: Case) -> None:
    verdict = give_verdict(case)
    through = all(name in case.results and case.results[name].outcome.lets_through for name in BINDING)
    assert (verdict.outcome is Outcome.PASSED) == through
    if verdict.decision is Decision.MERGE:
        assert through


@given(_any_case)
def test_only_a_failed_gate_or_a_person_rejects(case: Case) -> None:
    verdict = give_verdict(case)
    if verdict.decision is Decision.REJECT and verdict.outcome is not Outcome.FAILED:
        assert any(not word.approved and word.head_sha == HEAD for word in case.approvals)
    if verdict.outcome is Outcome.FAILED:
        assert verdict.decision is Decision.REJECT
    assert verdict.reasons


@given(_any_case)
def test_words_of_authors_and_on_other_heads_change_nothing(case: Case) -> None:
    valid = tuple(w for w in case.approvals if w.head_sha == HEAD and w.by.casefold() != "forge/builder-01")
    assert give_verdict(case) == give_verdict(dataclasses.replace(case, approvals=valid))


@given(_any_case)
def test_more_trust_never_takes_a_merge_away(case: Case) -> None:
    order = [Decision.REJECT, Decision.REVIEW, Decision.MERGE]
    ranks = [order.index(give_verdict(dataclasses.replace(case, trust=level)).decision) for level in TrustLevel]
    assert ranks == sorted(ranks)


@given(_any_case)
def test_the_gates_result_never_passes_what_did_not(case: Case) -> None:
    verdict = give_verdict(case)
    result = verdict_result(verdict, note="n")
    if result.outcome is Outcome.PASSED:
        assert verdict.outcome is Outcome.PASSED
        assert verdict.decision is not Decision.REJECT
    assert verdict.decision.value in result.summary


def test_reasons_are_bounded_lines() -> None:
    noisy = [
        Finding(tool="t", rule="r", message=f"m{n}\nx", category=Category.INTEGRITY, severity=Severity.WARNING)
        for n in range(99)
    ]
    verdict = give_verdict(_case(_results() | {"integrity": gate_result("integrity", Outcome.PASSED, findings=noisy)}))
    assert len(verdict.reasons) == MAX_REASONS
    assert verdict.reasons[-1] == "and 80 more"
    assert not any("\n" in reason for reason in verdict.reasons)
