"""How Sashiko becomes a wheel and an sdist. It is used by who builds these, and is in no wheel itself."""
