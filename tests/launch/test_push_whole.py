"""A run that was pushed is the run: its rows, its summary and its definitions, to the last digit."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from launch.push.definitions import definitions
from launch.server import ServerInfo, find_server

pytestmark = pytest.mark.slow

SECONDS = 120
MAKE = """
import wandb
with wandb.init(project="p", id="defined") as run:
    run.log({"epoch": 0, "low": 9})
    run.define_metric("epoch", hidden=True)
    run.define_metric("low", summary="min,max,mean,first", step_metric="epoch")
    run.define_metric("part/*", step_metric="epoch", step_sync=False, summary="none")
    run.define_metric("free/*", step_metric="nobody")
    run.log({"epoch": 1, "low": 2, "part/x": 3, "free/y": 3})
    run.log({"low": 1, "bad": float("nan"), "far": float("inf"), "nest": {"a": {"b": 1}}, "t": "x"}, step=7)
with wandb.init(project="p", id="forked", fork_from="defined?_step=1") as run:
    run.log({"low": 5})
"""
READ = """
import json, sys, wandb
run = wandb.Api().run(f"p/{sys.argv[1]}")
print(json.dumps({"client": run.rawconfig["_wandb"], "summary": run.summary_metrics,
                  "rows": list(run.scan_history(use_cache=False))}))
"""


@dataclass(frozen=True)
class End:
    """A server, and a folder in which the client speaks to it."""

    folder: Path
    server: ServerInfo

    def call(self, *words: str, **extra: str) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "SASHIKO"))}
        own = {"WANDB_BASE_URL": self.server.url, "WANDB_API_KEY": self.server.key, "WANDB_SILENT": "true",
               "WANDB_DIR": str(self.folder), "PYTHONPATH": str(Path(__file__).parents[2])}  # fmt: skip
        done = subprocess.run(
            [sys.executable, *words], env=kept | own | extra, cwd=self.folder, capture_output=True, text=True,
            timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def read(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.call("-c", READ, run).splitlines()[-1])
        defined = definitions(found.pop("client"))  # the client writes them in any order
        return {**found, "defined": sorted(defined, key=lambda arguments: arguments["name"])}


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[End, End]]:
    folders = [tmp_path_factory.mktemp(name) for name in ("from", "to")]
    servers = [
        subprocess.Popen(
            [sys.executable, "-m", "launch.cli", "serve", "--dir", str(folder / "state"), "--port", "0"],
            stdout=subprocess.PIPE, text=True,
        )
        for folder in folders
    ]  # fmt: skip
    try:
        found = []
        for folder, server in zip(folders, servers, strict=True):
            assert server.stdout is not None
            assert server.stdout.readline().startswith("serving")
            info = find_server(folder / "state")
            assert info is not None
            found.append(End(folder, info))
        yield found[0], found[1]
    finally:
        for server in servers:
            server.terminate()
            server.communicate(timeout=SECONDS)


def test_rows_summary_and_definitions_arrive_as_they_are(ends: tuple[End, End]):
    source, target = ends
    source.call("-c", MAKE)
    ours, fork = source.read("defined"), source.read("forked")
    assert [row["_step"] for row in ours["rows"]] == [0, 1, 7]
    assert [arguments["name"] for arguments in ours["defined"]] == ["epoch", "free/*", "low", "part/*"]
    assert ours["summary"]["low"] == {"min": 1, "max": 9, "mean": 4, "first": 9}
    assert [[row["_step"], row["low"]] for row in fork["rows"]] == [[0, 9], [1, 2], [2, 5]]
    for more in ([], ["--again"]):
        assert "runs       2 sent, 0 there already" in push(source, target, *more)
        for what, value in target.read("defined").items():
            assert text_of(value) == text_of(ours[what]), what
        assert text_of(target.read("forked")["rows"]) == text_of(fork["rows"])
    assert "runs       0 sent, 2 there already" in push(source, target)


def push(source: End, target: End, *more: str) -> str:
    words = ["-m", "launch.cli", "push", "p", "--to", target.server.url, *more]
    return source.call(*words, SASHIKO_PUSH_KEY=target.server.key)


def text_of(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
