"""A cluster a module, and a lab whose commands speak to it. Skipped by name where Slurm cannot be installed."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, add_quick
from tests.slurm import cluster as slurm
from tests.slurm.cluster import Cluster

PROFILE = "time_minutes = 5\nmemory_gb = 1.5\ncpus = 1\nwarning_seconds = 10\n"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a cluster."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.xdist_group("slurm"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    missing = slurm.missing()
    if missing:
        pytest.skip(f"Slurm is not installed ({', '.join(missing)}): python -m tests.slurm.cluster install")
    with slurm.running() as made:
        yield made


@pytest.fixture(scope="module")
def lab(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab.make(tmp_path_factory.mktemp("lab"))
    made.environment |= cluster.environment | {"PATH": f"{made.environment['PATH']}:/usr/sbin"}
    made.environment |= {"SASHIKO_LEASE_SECONDS": "6"}
    (made.folder / "small.toml").write_text(PROFILE)
    add_quick(made)
    yield made
    made.close()


def until(is_so: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it does not become so.
    """
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def logs(lab: Lab) -> str:
    """What the jobs have written."""
    return "".join(path.read_text() for path in sorted((lab.folder / ".sashiko" / "slurm").glob("*/*.out")))


def touch(lab: Lab, name: str) -> Path:
    path = lab.folder / name
    path.write_text("")
    return path
