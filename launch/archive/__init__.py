"""A project or a sweep in one file: written in pieces that stand alone, checked, and restored."""
