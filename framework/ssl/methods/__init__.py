"""The methods, one a file. `framework.ssl.registry` has them by name."""
