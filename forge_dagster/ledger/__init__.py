"""Durable state in one SQL database: inbox, attempts, verdicts, trust, rollouts, outbox, audit chain."""
