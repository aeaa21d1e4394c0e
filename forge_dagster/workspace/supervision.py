"""Keeps programs running beyond the process that asked for them, on supervisor (supervisord.org) over its XML-RPC interface."""
