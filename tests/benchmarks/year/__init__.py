"""A lab's year on one server, made from a seed, and what is measured on it: python -m tests.benchmarks year."""
