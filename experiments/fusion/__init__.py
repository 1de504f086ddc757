"""Fusion: what happens to networks that differ in their seed when their weights are made one."""
