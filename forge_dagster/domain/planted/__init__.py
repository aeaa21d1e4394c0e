"""Faults that are planted to see whether each gate finds its own: what they are, where they go, and what the answers prove.

Pure: which faults fit a repository is decided from what was detected and from the texts of its files; a gate that finds nothing
where a fault was put is an alarm. Tokens and names are drawn for each run, so that nothing can know them beforehand.
"""
