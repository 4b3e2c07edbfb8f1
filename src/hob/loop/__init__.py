"""The loop over the pure core: the only place where effects are performed."""
