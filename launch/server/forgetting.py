"""What is deleted a slice at a time, so that nobody waits long: out of sight first, then gone, whatever happens.

Whoever dies in between leaves rows that nothing tells of any more; the next start goes on with them. This module
knows no HTTP.
"""

from launch.server.storage import Store, Tables

SLICE = 2_000
"""Points that one transaction deletes."""


def sweep(store: Store[Tables], key: int) -> None:
    """Delete a sweep that is out of sight (`Sweeps.hide`), with its points and agents."""
    left = True
    while left:
        with store.write() as tables:
            left = tables.points.clear(key, SLICE)
    with store.write() as tables:
        tables.sweeps.delete(key)


def finish(store: Store[Tables]) -> None:
    """Delete what somebody who died had put out of sight."""
    with store.read() as tables:
        keys = tables.sweeps.hidden()
    for key in keys:
        sweep(store, key)
