"""Tools of stage preview."""
