"""Keys, DSSE envelopes, and keyless signing."""
