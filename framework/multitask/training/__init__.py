"""Training on several tasks: one network for all or one each, and many members of one shape at once."""
