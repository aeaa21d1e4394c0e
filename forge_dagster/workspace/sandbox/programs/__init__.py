"""Scripts that stand around sandboxed processes; each runs alone, with nothing but the standard library."""
