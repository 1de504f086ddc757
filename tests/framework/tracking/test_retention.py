"""Superseded versions of artifacts: which may go, and that their bytes do."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from framework.tracking.retention import may_go
from launch.server import upkeep
from tests.lab import Lab


@dataclass
class Version:
    number: int
    aliases: list[str] = field(default_factory=list)
    users: int = 0
    metadata: dict[str, object] = field(default_factory=lambda: {"code": {"framework.x": "1"}})

    @property
    def version(self) -> str:
        return f"v{self.number}"

    def used_by(self) -> list[object]:
        return [object()] * self.users


def gone(*versions: Version) -> list[int]:
    return [one.number for one in may_go(versions)]


def test_the_newest_the_used_and_the_named_stay():
    assert gone(Version(11, ["latest"]), Version(9), Version(2)) == [2, 9]
    assert gone(Version(0, users=1), Version(1, ["best"]), Version(2, ["last", "latest"]), Version(3)) == []
    assert gone(Version(0), Version(1, ["latest"]), Version(2)) == [0, 1], "the newest, whatever its name"
    assert gone(Version(5)) == gone() == []


def test_what_runs_have_logged_for_themselves_stays():
    assert gone(*(Version(number, metadata={"config_id": "x"}) for number in range(3))) == []


# --- through the real client -----------------------------------------------------------------------------------

MAKE = """
import os
def version(run, number, kind="thing", metadata={"code": {"framework.x": "1"}}, **more):
    made = wandb.Artifact(f"{kind}-x", kind, metadata=metadata)
    with made.new_file("data.txt") as file:
        file.write(str(number) + kind + os.urandom(5000).hex())
    with made.new_file("same.txt") as file:
        file.write("same in all" * 100)
    return run.log_artifact(made, **more).wait()
with wandb.init(project="tidy", id="maker") as run:
    for number in range(5):
        version(run, number, aliases=["best"] if number == 1 else [])
    for number in range(3):
        version(run, number, "results", {"config_id": "x"})
    for number in range(2):
        version(run, number, "other")
with wandb.init(project="tidy", id="user") as run:
    run.use_artifact("thing-x:v0")
"""
LIST = """
api = wandb.Api()
print(json.dumps({kind: sorted(a.version for a in api.artifacts(kind, f"local/tidy/{kind}-x"))
                  for kind in ("thing", "results", "other")}))
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab.make(tmp_path_factory.mktemp("tidy"))
    yield made
    made.close()


def client(lab: Lab, code: str) -> str:
    """What a process with the real client prints last."""
    exports = dict(re.findall(r"export (\w+)=(\S+)", lab.sashiko("env").stdout))
    done = subprocess.run(
        [sys.executable, "-c", f"import json, wandb\n{code}"], cwd=lab.folder, capture_output=True, text=True,
        env=lab.environment | exports | {"WANDB_SILENT": "true"}, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().rpartition("\n")[2]


@pytest.mark.slow
def test_superseded_versions_go_with_their_bytes(lab: Lab):
    lab.sashiko("status")  # which starts the server
    client(lab, MAKE)
    served = lab.folder / ".sashiko"
    missing = lab.sashiko("tidy", "tidy", "--kind", "thinf")
    assert missing.returncode != 0
    assert "has no artifacts of the kind 'thinf'; did you mean `thing`?" in missing.stderr

    nowhere = lab.sashiko("tidy", "nowhere")
    assert nowhere.returncode == 1
    assert "the artifacts of local/nowhere cannot be listed" in nowhere.stderr

    told = lab.sashiko("tidy", "local/tidy", "--kind", "thing", "--dry-run")
    assert told.returncode == 0, told.stderr
    assert re.findall(r"thing-x:v\d", told.stdout) == ["thing-x:v2", "thing-x:v3"]
    sizes = [10_000 + len("0thing") + 1_100] * 2
    assert f"would delete 2 versions with {sum(sizes):,} bytes" in told.stdout
    there = json.loads(client(lab, LIST))
    assert there["thing"] == ["v0", "v1", "v2", "v3", "v4"]

    done = lab.sashiko("tidy", "tidy", "--kind", "thing")
    assert f"deleted 2 versions with {sum(sizes):,} bytes" in done.stdout, done.stderr
    expected = {"thing": ["v0", "v1", "v4"], "results": ["v0", "v1", "v2"], "other": ["v0", "v1"]}
    assert json.loads(client(lab, LIST)) == expected
    before = bytes_in(served)
    assert upkeep.prune(served)[0] == 0, "what is younger than a day stays"
    files, size = upkeep.prune(served, older_than=-1)
    assert bytes_in(served) == before - size
    assert size >= 2 * (10_000 + len("0thing")), "and same.txt, which the others have, too, stays"
    assert not upkeep.verify(served).problems
    assert files >= 2

    assert "deleted 1 version with" in lab.sashiko("tidy", "tidy").stdout
    assert json.loads(client(lab, LIST)) == {**expected, "other": ["v1"]}
    assert "deleted 0 versions with 0 bytes" in lab.sashiko("tidy", "tidy").stdout


def bytes_in(served: Path) -> int:
    return sum(path.stat().st_size for path in (served / "blobs").rglob("*") if path.is_file())
