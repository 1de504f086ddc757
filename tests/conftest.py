"""What holds for every test.

Where they run beside each other (`make test`), each process keeps to one thread and takes whole files, so that
what a file needs (a server, a cluster) is started once. The longest come first, so that the short ones fill the
gaps at the end; between two that wait for a cluster come two that compute: there is always something to do.
"""

import itertools
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

SLOW_S, QUICK_S = 15.0, 0.1
"""About how long a test takes, by its mark."""
BETWEEN = 2

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so in the background of a shell; children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _environment_of_one_test() -> Iterator[None]:
    """What a test, or what it calls, leaves in the environment is gone for the next one."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    seconds: Counter[Path] = Counter()
    for item in items:
        slow = item.get_closest_marker("slow") is not None
        seconds[item.path] += SLOW_S if slow else QUICK_S  # type: ignore[assignment]
    longest = sorted(seconds, key=lambda path: (-seconds[path], path))
    waiting = {item.path for item in items if "cluster" in getattr(item, "fixturenames", ())}
    places = {path: place for place, path in enumerate(_mixed(longest, waiting))}
    items.sort(key=lambda item: places[item.path])


def _mixed(files: list[Path], waiting: set[Path]) -> list[Path]:
    """One of those that wait, some of the others, and so on, each in their order."""
    others = (path for path in files if path not in waiting)
    mixed: list[Path] = []
    for path in files:
        if path in waiting:
            mixed += [path, *itertools.islice(others, BETWEEN)]
    return [*mixed, *others]
