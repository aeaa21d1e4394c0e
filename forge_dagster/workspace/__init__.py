"""Checkouts, environments and the only place that starts a process."""
