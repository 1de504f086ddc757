"""Synthetic tasks: functions of one variable, the points at which each task sees them, and its noise."""
