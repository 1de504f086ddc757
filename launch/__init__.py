"""Everything that starts something: the command line, workers, the embedded server."""
