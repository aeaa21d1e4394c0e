"""Ways in which a change may fool the gates that judge it, seen by comparing what was there with what is there now. Pure.

One module per family of patterns. A family gives Signs of one version of a file, of which those count that the base has not
(`signs.fresh`), or compares both versions itself. `inspection.inspect` asks all of them.

An ERROR is for what hides a failure, or cannot be honest. Anything else asks for a person (a WARNING of category INTEGRITY,
domain.verdict): honest changes delete tests and silence linters too.
"""
