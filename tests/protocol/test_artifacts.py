"""The real client: artifacts in and out, aliases, lineage, the same content twice."""

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocol.conftest import Lab, LabFor, Server, shown

ROUND = """
import pathlib
data = os.urandom(3_000_000 + NEWEST)
pathlib.Path("folder/deep").mkdir(parents=True)
pathlib.Path("folder/deep/big.bin").write_bytes(data)
pathlib.Path("folder/same.bin").write_bytes(data)
pathlib.Path("folder/small.txt").write_text("small")
def artifact(**more):
    metadata = {"k": 1, "deep": {"x": [1, None]}}
    made = wandb.Artifact("ds", "dataset", description="words", metadata=metadata, **more)
    made.add_dir("folder")
    return made
with wandb.init(id="maker") as run:
    first = run.log_artifact(artifact(), aliases=["best"]).wait()
    assert first.version == "v0", first.version
with wandb.init(id="again") as run:
    assert run.log_artifact(artifact(), aliases=["again"]).wait().version == "v0"
    pathlib.Path("folder/small.txt").write_text("changed")
    assert run.log_artifact(artifact()).wait().version == "v1"
with wandb.init(id="user") as run:
    used = run.use_artifact("ds:best")
    place = pathlib.Path(used.download("down"))
    assert (place / "deep/big.bin").read_bytes() == data
    assert (place / "small.txt").read_text() == "small"
    latest = run.use_artifact("ds:latest", type="dataset")
    assert latest.get_entry("small.txt").download("one") and pathlib.Path("one/small.txt").read_text() == "changed"
api = wandb.Api()
first = api.artifact(f"{path}/ds:v0")
first.aliases.append("prod"); first.description = "other"; first.metadata["z"] = 3; first.save()
first = wandb.Api().artifact(f"{path}/ds:prod")
def names(items): return sorted(item.name for item in items)
result = [
    sorted(first.aliases), first.description, first.metadata, first.size, first.file_count, first.logged_by().id,
    sorted(run.id for run in first.used_by()), names(api.run(f"{path}/user").used_artifacts()),
    names(api.run(f"{path}/maker").logged_artifacts()), names(api.run(f"{path}/again").logged_artifacts()),
    names(api.artifacts("dataset", f"{path}/ds")), names(api.artifact_collections(path, "dataset")),
    api.artifact_collection("dataset", f"{path}/ds").name, [kind.name for kind in api.artifact_types(path)],
    api.artifact_exists(f"{path}/ds:v1"), api.artifact_exists(f"{path}/ds:v7"),
    *(api.artifact_collection_exists(f"{path}/{name}", "dataset") for name in ("ds", "no")),
    sorted(file.name for file in first.files()), first.url,
]
api.artifact(f"{path}/ds:v1").delete(delete_aliases=True)
result.append(wandb.Api().artifact_exists(f"{path}/ds:v1"))
tell(result)
"""


NAMES = """
import numpy, pathlib
names = ["tab\\tname", "$\\\\alpha$/$\\\\beta$.txt", "a%5Cb", "two\\nlines"]
with wandb.init(id="tex") as run:
    run.log({r"$\\alpha$": wandb.Image(numpy.zeros((4, 4, 3), "uint8"))})
    run.log({r"$\\beta$": wandb.Table(["x"], data=[[1]])})
    made = wandb.Artifact("odd", "d")
    for number, name in enumerate(names):
        with made.new_file(name) as file:
            file.write(str(number))
    run.log_artifact(made).wait()
run = wandb.Api().run(f"{path}/tex")
media = [file.name for file in run.files() if file.name.startswith("media/")]
for name in media:
    with run.file(name).download("media") as file:
        assert pathlib.Path("media", name).stat().st_size > 0
there = pathlib.Path(wandb.Api().artifact(f"{path}/odd:v0").download("down"))
tell([run.state, len(media), len(run.logged_artifacts()), run.summary[r"$\\alpha$"]["path"] in media,
    [(there / name).read_text() for name in names]])
"""


def test_names_that_are_no_plain_text_are_names(lab: Lab) -> None:
    assert shown(lab.python(NAMES)) == ["finished", 2, 2, True, ["0", "1", "2", "3"]]


def test_a_round_trip(lab: Lab) -> None:
    newest = int(lab.client.is_newest)  # each version of the client has bytes of its own
    *told, url, deleted = shown(lab.python(ROUND))
    assert told == [
        ["again", "best", "prod"], "other", {"k": 1, "deep": {"x": [1, None]}, "z": 3}, 6_000_005 + 2 * newest,
        3, "maker", ["user"], ["ds:v0", "ds:v1"], ["ds:v0"], ["ds:v0", "ds:v1"], ["ds:v0", "ds:v1"],
        ["ds"], "ds", ["dataset"],
        True, False, True, False, ["deep/big.bin", "same.bin", "small.txt"],
    ]  # fmt: skip
    assert deleted is False
    with urllib.request.urlopen(url, timeout=10) as reply:
        assert "deep/big.bin" in reply.read().decode()
    sizes = [path.stat().st_size for path in (lab.server.directory / "blobs").rglob("*") if path.is_file()]
    assert sizes.count(3_000_000 + newest) == 1


TABLE = """
with wandb.init(id="maker") as run:
    made = wandb.Artifact("rows", "table")
    made.add(wandb.Table(columns=["x"], data=[[1], [2]]), "t")
    run.log_artifact(made)
    run.log({"direct": wandb.Table(columns=["y"], data=[["a"]])})
with wandb.init() as run:
    rows = run.use_artifact("rows:latest").get("t").data
    direct = run.use_artifact("run-maker-direct:latest").get("direct").data
tell([rows, direct])
"""


def test_tables_in_artifacts(lab: Lab) -> None:
    assert shown(lab.python(TABLE)) == [[[1], [2]], [["a"]]]


WHOLE = """
import datetime
def artifact(name, **files):
    made = wandb.Artifact(name, "dataset")
    for path, text in files.items():
        with made.new_file(f"{path}.txt") as file:
            file.write(text)
    return made
def contents(item): return {entry.name: entry.download("down").read() for entry in item.files()}
with wandb.init(id="maker") as run:
    first = artifact("ds", a="0", b="1")
    first.ttl = datetime.timedelta(days=2)
    run.log_artifact(first).wait()
    linked = run.link_artifact(first, "best", aliases=["prod"])
    more = wandb.Artifact("ds", "dataset", incremental=True)
    with more.new_file("b.txt") as file:
        file.write("new")
    run.log_artifact(more).wait()
for index, text in enumerate(("one", "two")):
    with wandb.init(group="g", id=f"part{index}") as run:
        run.upsert_artifact(artifact("whole", **{text: text}), distributed_id="d")
with wandb.init(group="g", id="end") as run:
    run.finish_artifact(wandb.Artifact("whole", "dataset"), distributed_id="d")
api = wandb.Api()
best = api.artifact(f"{path}/best:prod")
draft = api.artifact(f"{path}/ds:v0").new_draft()
with draft.new_file("c.txt") as file:
    file.write("2")
with wandb.init(id="drafter") as run:
    run.log_artifact(draft).wait()
result = [
    [linked.is_link, linked.name, best.is_link, best.source_name, sorted(best.aliases)],
    [item.name for item in api.artifact(f"{path}/ds:v0").linked_artifacts], best.ttl.days,
    sorted(contents(api.artifact(f"{path}/ds:v1")).items()),
    sorted(file.name for file in api.artifact(f"{path}/whole:latest").files()),
    sorted(file.name for file in api.artifact(f"{path}/ds:v2").files()),
]
best.unlink()
source = api.artifact(f"{path}/ds:v0")
source.tags = ["x"]; source.save()
collection = api.artifact_collection("dataset", f"{path}/ds")
collection.name = "data"; collection.description = "words"; collection.tags = ["t"]; collection.save()
again = wandb.Api().artifact_collection("dataset", f"{path}/data")
result += [
    wandb.Api().artifact_exists(f"{path}/best:prod"), wandb.Api().artifact(f"{path}/data:v0").tags,
    [again.name, again.description, again.tags],
    [item.name for item in wandb.Api().artifacts("dataset", f"{path}/data", tags=["x"])],
]
again.delete()
result.append(wandb.Api().artifact_collection_exists(f"{path}/data", "dataset"))
tell(result)
"""


def test_links_parts_drafts_and_collections(lab: Lab) -> None:
    assert shown(lab.python(WHOLE)) == [
        [True, "best:v0", True, "ds:v0", ["latest", "prod"]], ["best:v0"], 2,
        [["a.txt", "0"], ["b.txt", "new"]], ["one.txt", "two.txt"], ["a.txt", "b.txt", "c.txt"],
        False, ["x"], ["data", "words", ["t"]], ["data:v0"], False,
    ]  # fmt: skip


FULL = """
with open("data.bin", "wb") as file:
    file.write(os.urandom(8_000_000))
with wandb.init(id="r") as run:
    run.log({"x": 1})
    made = wandb.Artifact("ds", "dataset")
    made.add_file("data.bin")
    run.log_artifact(made).wait()
"""
FULL_READ = """
run = wandb.Api().run(f"{path}/r")
tell([run.state, run.summary["x"], len(run.logged_artifacts())])
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB, where the tests may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_fails_the_run_at_once_and_leaves_the_store_whole(small_disk: Path, lab_for: LabFor) -> None:
    server = Server(small_disk / "state").start()
    try:
        lab = lab_for(server)
        began = time.monotonic()
        output = lab.python(FULL, check=False)
        assert time.monotonic() - began < 90  # the client would try a 507 for many minutes
        assert "ValueError" in output
        incoming = small_disk / "state" / "blobs" / "incoming"
        assert list(incoming.iterdir()) == []
        assert shown(lab.python(FULL_READ)) == ["failed", 1, 0]
    finally:
        server.end()
