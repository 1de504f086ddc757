"""Callbacks of training, one a file. Each that measures gives its numbers to the one row that an epoch logs."""
