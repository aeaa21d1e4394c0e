"""Any gate result, for Hypothesis."""

from hypothesis import strategies as st

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import GATES
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity
from forge_dagster.domain.results import ToolRun, gate_result

findings = st.builds(
    Finding,
    tool=st.text(max_size=8),
    rule=st.text(max_size=8),
    message=st.text(max_size=30),
    category=st.sampled_from(Category),
    file=st.none() | st.text(min_size=1, max_size=12),
    line=st.none() | st.integers(1, 10**6),
    column=st.none() | st.integers(1, 500),
    severity=st.sampled_from(Severity),
    attribution=st.sampled_from(Attribution),
    suggested_fix=st.text(max_size=10),
    snippet=st.text(max_size=10),
)
tools = st.builds(
    ToolRun,
    tool=st.text(max_size=8),
    outcome=st.sampled_from(Outcome),
    exit_code=st.none() | st.integers(-9, 255),
    examined=st.integers(0, 9),
)
results = st.builds(
    gate_result,
    st.sampled_from([spec.name for spec in GATES]),
    st.sampled_from(Outcome),
    reason=st.text(max_size=20),
    findings=st.lists(findings, max_size=4),
    tools=st.lists(tools, max_size=2).map(tuple),
    metrics=st.dictionaries(st.text(max_size=5), st.floats(0, 100), max_size=2),
)
