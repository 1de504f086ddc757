"""Networks of one or several tasks, MLP and Stack, in abc-parametrisation, and how they scale with width."""
