"""One file per gate: what it demands of its tools."""
