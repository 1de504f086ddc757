"""The embedded server, where this installation has one.

Everything else works without the folder `launch/server`, against another W&B server. This is the one module that
the commands reach it through, so that all say the same where it is missing.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from framework.errors import TrackerError

if TYPE_CHECKING:
    from launch.server import ServerInfo, Starting

PACKAGE = "launch.server"


def is_here() -> bool:
    """Whether this installation has the embedded server."""
    try:
        importlib.import_module(PACKAGE)
    except ModuleNotFoundError as error:
        if error.name != PACKAGE:
            raise
        return False
    return True


def require() -> None:
    """Let pass an installation that has the embedded server.

    Raises:
        TrackerError: it has none; the message says what to do.
    """
    if not is_here():
        raise TrackerError(
            "this installation has no embedded server (the folder launch/server is missing); to use another W&B "
            "server set WANDB_BASE_URL and WANDB_API_KEY, or run `wandb login`"
        )


def find_server(directory: Path) -> "ServerInfo | None":
    """The live server of a folder; None if there is none.

    Raises:
        TrackerError: this installation has no embedded server.
    """
    require()
    from launch import server

    return server.find_server(directory)


def find_starting(directory: Path) -> "Starting | None":
    """The process that is at work on a folder before its server answers; None if there is none.

    Raises:
        TrackerError: this installation has no embedded server.
    """
    require()
    from launch import server

    return server.find_starting(directory)


def last_port(directory: Path) -> int | None:
    """The port at which a folder was served last; None if it never was.

    Raises:
        TrackerError: this installation has no embedded server.
    """
    require()
    from launch import server

    return server.last_port(directory)
