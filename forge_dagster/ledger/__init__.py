"""Durable state in one SQL database."""
