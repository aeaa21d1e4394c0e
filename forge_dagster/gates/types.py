"""Gate `types`: the repository's type checker accepts the code, by the repository's own configuration.

Where a Python repository configured none, `mypy --strict` applies (specification, stage 1); TypeScript is judged by its
tsconfig.json, `tsc --strict` where there is none. JavaScript without either has no types to check: SKIPPED.
"""

from forge_dagster.gates.tooling import tool_gate

ADAPTER = tool_gate("types")
