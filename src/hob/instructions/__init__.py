"""What the model is told: the system message and where its parts come from."""
