"""Runs, artifacts, leases and results through the real client, against the embedded server."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.tracking import packed
from tests.lab import LEASE, Lab

pytestmark = pytest.mark.slow

MAKER = """
import os, signal, time
import numpy as np, pandas as pd
from framework.config import Config, replicate
from framework.manager import Manager
from framework.plan import RUN, Work


class Thing(Config):
    size: int = 1
    fate: str = "well"


class MakerConfig(Config):
    thing: Thing = Thing()
    x: int = 0
    seed: int = replicate(0, description="seed")


class Maker(Manager[MakerConfig]):
    config = MakerConfig

    def requires(self, kind, config):
        return [Work("thing", config.thing)] if kind == RUN else []

    def make(self, kind, config, run):
        marker = os.environ["MARKERS"] + f"/{os.getpid()}-{time.time()}"
        open(marker, "w").close()
        if config.fate == "raises":
            raise ValueError("the oven is cold")
        if config.fate == "dies once" and len(os.listdir(os.environ["MARKERS"])) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.5)
        folder = run.folder / "thing"
        folder.mkdir()
        np.savez(folder / "thing.npz", a=np.arange(config.size))
        if config.fate == "unsafe":
            (folder / "model.pkl").write_bytes(b"")
        run.log({"baked": 1})
        run.log_artifact(kind, config, folder)

    def run(self, config, run):
        with np.load(run.require("thing", config.thing) / "thing.npz") as file:
            total = int(file["a"].sum())
        run.log({"total": total + config.x})
        run.log_table("results", pd.DataFrame({"x": [config.x], "total": [total + config.x]}))
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab.make(tmp_path_factory.mktemp("tracking"))
    made.add_experiment("maker", "manager:Maker", {"manager.py": MAKER})
    yield made
    made.close()


def sweep(lab: Lab, name: str, parameters: str, workers: str = "3") -> "subprocess.CompletedProcess[str]":
    file = lab.folder / f"{name}.yaml"
    file.write_text(
        f"name: {name}\nproject: {name}\nmethod: grid\n"
        'command: ["${env}", "python", "-m", "experiments", "maker"]\n'
        f"parameters: {parameters}\n"
    )
    markers = lab.folder / f"{name}-markers"
    markers.mkdir(exist_ok=True)
    return lab.sashiko("sweep", str(file), "--workers", workers, MARKERS=str(markers), SASHIKO_LEASE_SECONDS=LEASE)


def made_times(lab: Lab, name: str) -> int:
    return len(list((lab.folder / f"{name}-markers").iterdir()))


def query(lab: Lab, code: str) -> object:
    """Run `code`, which prints JSON, in a process with the real client."""
    exports = dict(re.findall(r"export (\w+)=(\S+)", lab.sashiko("env").stdout))
    done = subprocess.run(
        [sys.executable, "-c", f"import json, wandb\napi = wandb.Api()\n{code}"], cwd=lab.folder,
        env=lab.environment | exports | {"WANDB_SILENT": "true"}, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_many_workers_ask_and_one_makes(lab: Lab):
    done = sweep(lab, "once", "{thing: {values: [{size: 3}, {size: 4}]}, x: {values: [0, 10, 20]}}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert made_times(lab, "once") == 2
    totals = query(
        lab, "print(json.dumps(sorted(r.summary['total'] for r in api.runs('local/once') if r.job_type == 'run')))"
    )
    assert totals == [3, 6, 13, 16, 23, 26]


def test_lineage_config_and_provenance_lie_with_the_artifact(lab: Lab):
    sweep(lab, "once", "{thing: {values: [{size: 3}, {size: 4}]}, x: {values: [0, 10, 20]}}")
    code = """
made = [a for c in api.artifact_collections('local/once', 'thing') for a in c.artifacts()]
(a,) = [a for a in made if a.metadata['config']['size'] == 3]
folder = a.download()
print(json.dumps(dict(name=a.name, files=sorted(f.name for f in a.files()), config=a.metadata['config'],
                      id=a.metadata['config_id'], used=len(a.used_by()), by=a.logged_by().id)))
"""
    found = query(lab, code)
    assert isinstance(found, dict)
    assert found["name"] == f"thing-{found['id']}:v0"
    assert found["files"] == ["config.json", "provenance.toml", "thing.npz"]
    assert found["config"] == {"size": 3, "fate": "well"}
    assert found["used"] == 3
    assert found["by"] == f"thing-{found['id']}"


def test_find_by_configuration(lab: Lab):
    sweep(lab, "once", "{thing: {values: [{size: 3}, {size: 4}]}, x: {values: [0, 10, 20]}}")
    found = lab.sashiko("find", "thing", "size=4", "--project", "once")
    assert found.returncode == 0, found.stderr
    assert re.fullmatch(r"local/once/thing-\w{12}:v0\n", found.stdout)
    assert lab.sashiko("find", "thing", "size=5", "--project", "once").stdout == ""


def test_results_are_one_tidy_frame(lab: Lab):
    sweep(lab, "once", "{thing: {values: [{size: 3}, {size: 4}]}, x: {values: [0, 10, 20]}}")
    code = """
import os, sys
sys.path.insert(0, os.getcwd())
from experiments import manager_of
from framework.tracking.results import sweep_results
(s,) = api.project('once', 'local').sweeps()
r = sweep_results(f'local/once/{s.id}', manager_of('maker').config)
print(json.dumps(dict(columns=list(r.runs.columns), factors=r.factors, states=sorted(set(r.runs.state)),
    n=len(r.runs), types=[type(v).__name__ for v in r.runs.iloc[0][['x', 'thing.fate']]],
    table=sorted(r.tables['results'].total.tolist()), table_columns=list(r.tables['results'].columns))))
"""
    found = query(lab, code)
    assert isinstance(found, dict)
    assert found["columns"][:6] == ["run_id", "name", "state", "config_id", "created_at", "url"]
    assert {"thing.size", "x", "seed", "total"} <= set(found["columns"])
    assert found["factors"] == ["thing.size", "x"]
    assert found["states"] == ["finished"]
    assert found["n"] == 6
    assert found["types"] == ["int64", "str"] or found["types"] == ["int", "str"]
    assert found["table"] == [3, 6, 13, 16, 23, 26]
    assert found["table_columns"] == ["run_id", "x", "total"]


def test_a_maker_that_dies_loses_its_lease(lab: Lab):
    done = sweep(lab, "dies", "{thing: {value: {fate: dies once}}, x: {values: [0, 1]}}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert made_times(lab, "dies") == 2


def test_what_cannot_be_made_fails_its_points_with_the_reason(lab: Lab):
    done = sweep(lab, "cold", "{thing: {value: {fate: raises}}, x: {values: [0]}}", "1")
    assert done.returncode == 1
    assert "ValueError: the oven is cold" in done.stdout + done.stderr


def test_a_format_that_could_hold_code_is_refused(lab: Lab):
    done = sweep(lab, "unsafe", "{thing: {value: {fate: unsafe}}, x: {values: [0]}}", "1")
    assert done.returncode == 1
    assert "model.pkl could hold code" in done.stdout + done.stderr


def test_bytes_that_do_not_match_their_digest_are_refused(lab: Lab):
    done = sweep(lab, "broken", "{thing: {value: {size: 77}}, x: {values: [0]}}", "1")
    assert done.returncode == 0, done.stderr
    database = sqlite3.connect(f"file:{lab.folder / '.sashiko' / 'server.db'}?mode=ro", uri=True)
    assert database.execute("SELECT count(*) FROM sweeps").fetchone()[0] >= 1
    blobs = [path for path in (lab.folder / ".sashiko" / "blobs").rglob("*") if path.is_file()]
    (blob,) = [path for path in blobs if path.read_bytes()[:2] == b"PK" and thing_size(path) == 77]
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    for cached in (lab.folder / "cache").rglob("thing-*"):
        cached.rename(cached.with_name("away-" + cached.name))
    other = sweep(lab, "broken", "{thing: {value: {size: 77}}, x: {values: [1]}}", "1")
    assert other.returncode == 1
    assert "could not be read whole" in other.stdout + other.stderr


def thing_size(path: Path) -> int:
    import numpy as np

    with np.load(path) as file:
        return len(file["a"]) if "a" in file else 0  # the code of the project is an archive, too


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_a_full_disk_fails_the_run_and_leaves_the_store_whole(lab: Lab):
    """The server's folder is a file system of 6 MiB; the artifact is larger."""
    small = lab.folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(small)], check=True)
    try:
        file = lab.folder / "full.yaml"
        file.write_text(
            "name: full\nproject: full\nmethod: grid\ncommand: [python, -m, experiments, maker]\n"
            "parameters: {thing: {values: [{size: 2000000}, {size: 5}]}}\n"
        )
        markers = lab.folder / "full-markers"
        markers.mkdir()
        words = ["sweep", str(file), "--dir", str(small / "server"), "--workers", "1"]
        done = lab.sashiko(*words, MARKERS=str(markers), WANDB_DIR=str(lab.folder))
        assert done.returncode == 1, done.stdout + done.stderr
        assert "1 run finished, 1 failed" in done.stdout
        left = [path for path in (small / "server" / "blobs").rglob("*") if path.is_file()]
        of_runs = [path for path in left if packed.INNER.encode() not in path.read_bytes()]  # but for the code
        assert sum(path.stat().st_size for path in of_runs) < 1_000_000
        assert lab.sashiko("status", str(file), "--dir", str(small / "server")).returncode == 1
    finally:
        lab.sashiko("serve", "--stop", "--dir", str(small / "server"))
        subprocess.run(["umount", str(small)], check=True)
