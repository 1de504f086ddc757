"""Merging: what becomes of models that were fine-tuned from one checkpoint when their weights are made one."""
