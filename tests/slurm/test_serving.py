"""The server as a job (docs/slurm/serve.sbatch): it serves, keeps its folder, moves on when its time is over."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launch.server import upkeep
from tests.lab import ROOT, Lab, own_port
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import until

SCRIPT = ROOT / "docs" / "slurm" / "serve.sbatch"
MADE = 'mutation { upsertBucket(input: {modelName: "p", name: "%s"}) { bucket { name } } }'
RUNS = '{ project(name: "p") { runs(first: 10) { edges { node { name } } } } }'


class Job:
    """The server's job, and what it keeps."""

    def __init__(self, lab: Lab, cluster: Cluster) -> None:
        self.lab, self.cluster = lab, cluster
        self.kept = lab.folder / "sashiko-kept"
        given = {"SASHIKO_KEPT": str(self.kept), "SASHIKO_PORT": str(own_port()), "SASHIKO_KEEP_SECONDS": "2"}
        done = subprocess.run(
            ["sbatch", "--parsable", "--time=30", str(SCRIPT)], cwd=lab.folder,
            env=lab.environment | given, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        self.number = done.stdout.strip()

    @property
    def key(self) -> str:
        return self.kept.with_suffix(".key").read_text().strip()

    def ask(self, query: str) -> Any:
        url = self.kept.with_suffix(".url").read_text().strip()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        body = json.dumps({"query": query}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{url}/graphql", body, headers), timeout=5) as reply:
            return json.loads(reply.read())["data"]

    def answers(self) -> bool:
        try:
            return bool(self.ask("{ viewer { id } }"))
        except (OSError, ValueError):
            return False

    def told(self, field: str) -> str:
        """A field of what `scontrol show job` tells."""
        words = self.cluster.run("scontrol", "show", "job", self.number).split()
        return next(word.partition("=")[2] for word in words if word.startswith(f"{field}="))

    def signal(self, name: str) -> None:
        self.cluster.run("scancel", "--batch", f"--signal={name}", self.number)

    def log(self) -> str:
        path = self.lab.folder / "sashiko-server.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def job(lab: Lab, cluster: Cluster) -> Iterator[Job]:
    made = Job(lab, cluster)
    yield made
    if made.told("JobState") in ("PENDING", "RUNNING", "COMPLETING"):
        cluster.run("scancel", "--signal=KILL", "--full", made.number)


def test_it_serves_keeps_its_folder_moves_on_and_ends(job: Job) -> None:
    until(job.answers, f"the server answers: {job.log()}", 60)
    job.ask(MADE % "first")
    until((job.kept / "server.db").exists, "its folder is kept meanwhile")
    assert [line for line in job.log().splitlines() if "Traceback" in line] == []
    first = job.told("Restarts")
    job.signal("TERM")  # as Slurm does a minute before the job's time is over
    until(lambda: job.told("Restarts") != first, f"it is queued again: {job.log()}", 60)
    assert upkeep.verify(job.kept).problems == []
    until(job.answers, f"it answers again: {job.log()}", 120)
    job.ask(MADE % "second")
    assert {edge["node"]["name"] for edge in job.ask(RUNS)["project"]["runs"]["edges"]} == {"first", "second"}
    job.signal("USR1")
    until(lambda: job.told("JobState") in ("COMPLETED", "FAILED"), f"it ends: {job.log()}", 60)
    assert (job.told("JobState"), job.told("ExitCode")) == ("COMPLETED", "0:0")
    assert upkeep.verify(job.kept).problems == []
    again = job.lab.folder / "again"
    shutil.copytree(job.kept, again)
    done = job.lab.sashiko("serve", "--dir", str(again), "user", "list")
    assert "1" in done.stdout, done.stderr
    assert Path(again / "server.db").exists()
