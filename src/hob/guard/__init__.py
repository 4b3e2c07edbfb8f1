"""The guard: what may be done, and who has to be asked."""
