"""The only wiring: settings to adapters to Services."""
