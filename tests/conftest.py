"""What holds for every test.

Where they run beside each other (`make test`), each process keeps to one thread and takes whole files, so that
what a file needs (a server, a cluster) is started once. The longest come first: the short ones then fill the gaps
that they leave at the end.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

SLOW_S, QUICK_S = 15.0, 0.1
"""About how long a test takes, by its mark."""

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    seconds: Counter[Path] = Counter()
    for item in items:
        seconds[item.path] += _seconds(item)  # type: ignore[assignment]
    items.sort(key=lambda item: (-seconds[item.path], item.path))


def _seconds(item: pytest.Item) -> float:
    """A test on a cluster mostly waits: it should begin before all others, however many there are."""
    if "cluster" in getattr(item, "fixturenames", ()):
        return 100 * SLOW_S
    return QUICK_S if item.get_closest_marker("slow") is None else SLOW_S
