"""Templates and the style sheet of the pages; no code."""
