"""Git hosts."""
