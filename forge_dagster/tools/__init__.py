"""One file per wrapped tool, in a folder per stage."""
