"""The library: configs, grids, tracking, data, models, mappings. Knows no experiment, cluster or server."""
