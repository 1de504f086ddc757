"""What a service manager is told: that the server answers, and that it is about to end.

The protocol is one datagram of text to a socket that the manager names (`man sd_notify`); without one, nobody is
told.
"""

import contextlib
import os
import socket

SOCKET = "NOTIFY_SOCKET"
READY, STOPPING = "READY=1", "STOPPING=1"


def tell(state: str) -> None:
    """Tell the service manager, if there is one. That it does not listen stops nothing."""
    address = os.environ.get(SOCKET, "")
    if address[:1] not in ("/", "@"):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(f"\0{address[1:]}" if address[0] == "@" else address)  # @: a name without a file
        sender.send(state.encode())
