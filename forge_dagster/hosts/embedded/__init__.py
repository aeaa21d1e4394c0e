"""The git host that Forge brings along: bare repositories with a GitHub-shaped face."""
