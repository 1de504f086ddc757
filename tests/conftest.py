"""What holds for every test.

Where they run beside each other (`make test`), each process keeps to one thread, and slow tests come first, those
with a time limit of their own before all: the quick ones then fill the gaps that they leave at the end.
"""

import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[bool, float]:
    limit = item.get_closest_marker("timeout")
    return item.get_closest_marker("slow") is None, -limit.args[0] if limit else 0.0
