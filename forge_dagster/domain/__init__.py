"""Pure values and rules: frozen, no input or output, no clock, no environment."""
