"""Agents on a real cluster against a tracker that does as wandb.ai does (`tests.cloud`)."""

from collections.abc import Iterator

import pytest

from tests import cloud
from tests.lab import Lab, quick_sweep
from tests.slurm.cluster import Cluster


@pytest.fixture(scope="module")
def away(lab: Lab) -> Iterator[Lab]:
    with cloud.serving(lab):
        yield lab


def test_a_sweep_grows_is_worked_by_jobs_and_its_jobs_are_known_by_all_its_parts(away: Lab, cluster: Cluster):
    file = quick_sweep(away, "grown", "{x: {values: [0, 1]}}")
    first = away.sashiko("sweep", str(file), "--slurm", "small.toml", "--wait")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "2 of 2 runs finished, 0 failed" in first.stdout
    file = quick_sweep(away, "grown", "{x: {values: [0, 1, 2]}}")
    second = away.sashiko("sweep", str(file), "--slurm", "small.toml", "--wait")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "1 of 1 runs finished, 0 failed" in second.stdout
    told = away.sashiko("status", str(file)).stdout
    assert "3 points: 3 finished" in told, told
    used = away.sashiko("efficiency", str(file))
    assert "in all (2 jobs)" in used.stdout, used.stdout + used.stderr
