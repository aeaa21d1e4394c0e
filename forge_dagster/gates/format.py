"""Gate `format`: every file is laid out as the repository's own formatter wants it (Forge's default where it chose none).

One finding per file, at the first line that differs; a file that does not parse is a finding of its own.
"""

from forge_dagster.gates.tooling import tool_gate

ADAPTER = tool_gate("format")
