"""Much at once: whole runs, sweeps and versions out, page by page, and in, each whole or not at all."""
