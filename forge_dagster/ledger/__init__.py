"""Durable state in one SQL database: inbox, attempts, verdicts, rollouts, outbox, audit chain."""
