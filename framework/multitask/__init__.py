"""Learning several functions at once: synthetic tasks, networks in abc-parametrisation, balanced gradients."""
