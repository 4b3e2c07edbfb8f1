"""Where work happens: files under one root, commands that run there, nothing else."""
