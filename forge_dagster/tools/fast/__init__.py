"""Tools of stage fast."""
