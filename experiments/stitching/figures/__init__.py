"""The figures of the stitching report, one kind a file. Each takes frames or arrays and returns; none saves."""
