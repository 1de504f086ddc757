"""The embedded W&B server: what the real `wandb` client asks of a server, in one process on this machine.

Importing this package costs nothing; the web framework is imported when a server starts.
"""

from launch.server.instance import Address, NotForOthers, ServerBusy, ServerInfo, find_server, last_port, serve
from launch.server.limits import ServeOptions
from launch.server.starting import Starting, find_starting

__all__ = [
    "Address", "NotForOthers", "ServeOptions", "ServerBusy", "ServerInfo", "Starting", "find_server",
    "find_starting", "last_port", "serve",
]  # fmt: skip
