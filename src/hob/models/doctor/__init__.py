"""The doctor of model servers: what a server and its chat template really do, found out by asking small things."""
