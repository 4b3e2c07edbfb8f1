"""The model for a machine without a model: repair by search, knowing messages only, acting through tools only."""
