"""The figures of the fusion report, one kind a file. Each takes frames and returns; none saves."""
