"""Gate `secrets`: no commit of the change adds a credential, whether or not a later commit takes it away again.

Looks at every commit from base to head; at the work tree, where there are uncommitted edits; at the whole tree, where nothing
is known to compare with. No finding ever shows the secret. A comment in the change cannot excuse it (`kingfisher:ignore`).
"""

from forge_dagster.gates.tooling import tool_gate

ADAPTER = tool_gate("secrets")
