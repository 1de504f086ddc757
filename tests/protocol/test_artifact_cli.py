"""The real client: artifacts from the command line, the cache, references, time to live, a large file."""

import shutil
from base64 import b64encode
from hashlib import md5
from pathlib import Path

import pytest

from tests.protocol.conftest import Lab, LabFor, Server, newest_only, shown

pytestmark = pytest.mark.slow


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_command_line_puts_gets_lists_and_frees_the_cache(lab: Lab) -> None:
    (lab.folder / "made" / "deep").mkdir(parents=True)
    (lab.folder / "made" / "deep" / "bytes.bin").write_bytes(bytes(range(256)) * 4000)
    (lab.folder / "made" / "words.txt").write_text("by hand")
    made, cache = contents(lab.folder / "made"), lab.folder / "cache" / "artifacts" / "obj"
    put = lab.wandb("artifact", "put", "--name", f"{lab.project}/byhand", "--type", "note", "--skip_cache",
        "--alias", "best", "--description", "words", "made")  # fmt: skip
    assert f'run.use_artifact("{lab.path}/byhand:v0")' in put
    assert size_of(cache) == 0
    lab.wandb("artifact", "get", f"{lab.path}/byhand:best", "--root", "first", "--type", "note")
    assert contents(lab.folder / "first") == made
    assert size_of(cache) == 1_024_007
    [line] = [text.split() for text in lab.wandb("artifact", "ls", lab.path).splitlines() if "byhand" in text]
    assert (line[-1], "note" in line, "1.0MB" in line) == ("byhand:v0", True, True), line
    freed = lab.wandb("artifact", "cache", "cleanup", "0MB")
    assert "Reclaimed 1.0MB of space" in freed
    assert size_of(cache) == 0
    lab.wandb("artifact", "get", f"{lab.path}/byhand:v0", "--root", "second")
    assert contents(lab.folder / "second") == made


REFERENCES = """
import pathlib
FAR = "https://localhost:1/far.bin"  # nobody listens there: to fetch it would fail
folder = pathlib.Path("near/deep")
folder.mkdir(parents=True)
(folder / "a.txt").write_text("one")
pathlib.Path("near/b.txt").write_text("four")
root = pathlib.Path("near").resolve().as_uri()
with wandb.init(id="maker") as run:
    near, far = wandb.Artifact("near", "dataset"), wandb.Artifact("far", "dataset")
    near.add_reference(root)
    far.add_reference(FAR, name="there.bin", checksum=False)
    run.log_artifact(near).wait()
    run.log_artifact(far).wait()
api = wandb.Api()
near, far = api.artifact(f"{path}/near:v0"), api.artifact(f"{path}/far:latest")
place = pathlib.Path(near.download("down"))
def entries(artifact):
    found = sorted(artifact.manifest.entries.items())
    return [[name, entry.ref.removeprefix(root), entry.size, entry.digest] for name, entry in found]
tell([entries(near), (place / "deep/a.txt").read_text(), (place / "b.txt").read_text(), near.size,
    entries(far), far.get_entry("there.bin").ref_target(), far.file_count])
"""
ONE, FOUR = (b64encode(md5(text).digest()).decode() for text in (b"one", b"four"))
FAR = "https://localhost:1/far.bin"


def test_references_are_kept_with_their_checksums_and_not_fetched(lab: Lab) -> None:
    assert shown(lab.python(REFERENCES)) == [
        [["b.txt", "/b.txt", 4, FOUR], ["deep/a.txt", "/deep/a.txt", 3, ONE]], "one", "four", 7,
        [["there.bin", FAR, 0, FAR]], FAR, 1,
    ]  # fmt: skip


LIVED = """
import datetime
def artifact(text, seconds=0):
    made = wandb.Artifact("ds", "dataset")
    with made.new_file("x.txt") as file:
        file.write(text)
    if seconds:
        made.ttl = datetime.timedelta(seconds=seconds)
    return made
with wandb.init(id="maker") as run:
    kept = run.log_artifact(artifact("linked")).wait()
    run.link_artifact(kept, "elsewhere")
    kept.ttl = datetime.timedelta(seconds=1)
    kept.save()
    ended = run.log_artifact(artifact("ended", 3)).wait()
    ttl = ended.ttl.total_seconds()
    run.log_artifact(artifact("stays")).wait()
def versions(): return sorted(item.name for item in wandb.Api().artifacts("dataset", f"{path}/ds"))
end = time.monotonic() + 30
while "ds:v1" in versions() and time.monotonic() < end:
    time.sleep(0.2)
api = wandb.Api()
def text(name): return api.artifact(f"{path}/{name}").get_entry("x.txt").download("down")
def words(name): return open(text(name)).read()
tell([ttl, versions(), api.artifact_exists(f"{path}/ds:v1"), words("ds:latest"), words("elsewhere:latest"),
    api.artifact(f"{path}/ds:v0").ttl.total_seconds(),
    sorted(item.name for item in api.run(f"{path}/maker").logged_artifacts())])
"""


def test_a_version_ends_with_its_time_to_live_unless_it_is_linked_elsewhere(
    impatient: Server, lab_for: LabFor
) -> None:
    told = shown(lab_for(impatient).python(LIVED))
    assert told == [3, ["ds:v0", "ds:v2"], False, "stays", "linked", 1, ["ds:v0", "ds:v2"]]


LARGE = """
import pathlib
size = int(sys.argv[1])
with open("large.bin", "wb") as file:
    file.truncate(size)
    file.seek(size - 3)
    file.write(b"end")
with wandb.init(id="r") as run:
    made = wandb.Artifact("large", "data")
    made.add_file("large.bin", skip_cache=True, policy="immutable")
    run.log_artifact(made).wait()
os.remove("large.bin")
found = wandb.Api().artifact(f"{path}/large:v0")
down = pathlib.Path(found.download("down", skip_cache=True)) / "large.bin"
with down.open("rb") as file:
    file.seek(size - 3)
    tell([found.size, down.stat().st_size, file.read().decode()])
down.unlink()
"""


@newest_only  # what is large is the server's matter, and it takes most of a minute
def test_a_file_of_more_than_two_gibibytes_goes_up_and_comes_down(lab_for: LabFor, tmp_path: Path) -> None:
    size = 2**31 + 5
    if shutil.disk_usage(tmp_path).free < 4 * size:
        pytest.skip("needs 8 GiB of free disk")
    server = Server(tmp_path / "state").start()
    try:
        told = shown(lab_for(server).python(LARGE, str(size)))
    finally:
        server.end()
        shutil.rmtree(tmp_path / "state")
    assert told == [size, size, "end"]
