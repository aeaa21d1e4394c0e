"""Tools of stage analysis."""
