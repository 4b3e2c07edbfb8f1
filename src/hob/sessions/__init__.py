"""Sessions as a service: one writer each, any number of followers."""
