"""Those who may be asked for an opinion on a change (ports.Reviewer)."""
