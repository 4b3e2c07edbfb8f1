"""Values and pure functions: the heart of the house. No I/O, no clock, no randomness."""
