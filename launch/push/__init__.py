"""A project of one tracker sent to another W&B server, run by run, through the client's own sync."""
