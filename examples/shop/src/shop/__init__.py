"""A small shop's price service."""
