"""Metrics: each declares its unit, its direction and its reduction."""
