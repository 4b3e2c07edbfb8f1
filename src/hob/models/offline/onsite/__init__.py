"""Scripts that travel into the workspace in a bash command: Python 3.8, standard library; Hob reads them as text."""
