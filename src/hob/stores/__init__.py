"""Where logs and large outputs are kept. Stores keep bytes and know nothing of events."""
