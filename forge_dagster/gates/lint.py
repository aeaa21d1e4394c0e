"""Gate `lint`: the repository's linter, with the repository's rules, has nothing to say.

Warnings fail the gate where the repository's own lint script limits them, or where it has no such script (specification,
stage 1: `eslint --max-warnings 0`).
"""

from forge_dagster.gates.tooling import tool_gate

ADAPTER = tool_gate("lint")
