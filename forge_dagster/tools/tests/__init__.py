"""Tools of stage tests."""
