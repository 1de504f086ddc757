"""An archive as a file: written, broken off and gone on with, read by plain tools, damaged anywhere."""

import errno
import hashlib
import json
import random
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from launch.archive import layout
from launch.archive.archiving import must_be_whole, verify
from launch.archive.errors import ArchiveError, Damaged, NoArchive
from launch.archive.reader import Archive
from launch.archive.writer import Writer
from launch.cli import app

CHANCE = random.Random(0)
BLOB = CHANCE.randbytes(9_000_000)
MEMBERS = {
    f"runs/r{index}/run.json": json.dumps({"n": index, "x": CHANCE.random()}).encode() for index in range(40)
}
IDENTITY = {"project": "local/p", "sweep": None}


def write(path: Path, stop: int | None = None, *, force: bool = False) -> Path:
    """An archive of the members; `stop`: broken off after so many."""
    with Writer(path, IDENTITY, {"made_at": 1.0}, force=force) as writer:
        done = (writer.at or {"n": 0})["n"]
        for number, (name, data) in enumerate(MEMBERS.items()):
            if number < done:
                continue
            if number == stop:
                raise KeyboardInterrupt
            writer.add(name, data)
            if number == 20:
                writer.add_stream(f"blobs/{hashlib.sha256(BLOB).hexdigest()}", len(BLOB), chunks())
            writer._cut({"n": number + 1})
        writer.finish({"n": len(MEMBERS)}, {"counts": {}})
    return path


def chunks() -> Iterable[bytes]:
    return (BLOB[start : start + 1_000_000] for start in range(0, len(BLOB), 1_000_000))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("file") / "a.tar.zst")


def test_it_is_a_tar_file_in_zstd_and_every_member_has_its_digest(file: Path, tmp_path: Path):
    subprocess.run(["tar", "--zstd", "-xf", file], cwd=tmp_path, check=True)
    for name, data in MEMBERS.items():
        assert (tmp_path / name).read_bytes() == data
    told = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    members = {line["member"][0]: line["member"][1:3] for line in told if "member" in line}
    for name, (size, digest) in members.items():
        data = (tmp_path / name).read_bytes()
        assert (size, digest) == (len(data), hashlib.sha256(data).hexdigest()), name
    assert set(members) == {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} - {
        "manifest.jsonl"
    }
    archive = Archive(file)
    assert {name: archive.read(name) for name in MEMBERS} == MEMBERS
    assert not list(file.parent.glob("*.partial*"))


@pytest.mark.parametrize(("name", "size"), [("a", 0), ("b" * 100, 512), ("ü" * 60, 3), ("c" * 300, 7)])
def test_the_header_is_the_one_of_tarfile(name: str, size: int):
    info = tarfile.TarInfo.frombuf(layout.header(name, size, 99)[-512:], "utf-8", "strict")
    assert (info.size, info.mtime, info.mode) == (size, 99, 0o644)
    assert len(name.encode()) > 100 or info.name == name


@pytest.mark.parametrize("stop", [0, 1, 20, 21, 39])
def test_broken_off_it_goes_on_and_holds_the_same(file: Path, tmp_path: Path, stop: int):
    path = tmp_path / "a.tar.zst"
    with pytest.raises(KeyboardInterrupt):
        write(path, stop)
    assert not path.exists()
    with (tmp_path / "a.tar.zst.partial").open("ab") as partial:
        partial.write(b"half a frame")
    with (tmp_path / "a.tar.zst.partial.jsonl").open("a") as journal:
        journal.write('{"frame":[1,2')
    write(path)
    ours, theirs = must_be_whole(path), Archive(file)
    assert list(ours.members) == list(theirs.members)
    assert all(ours.read(name) == theirs.read(name) for name in ours.members)


def test_what_was_changed_meanwhile_or_is_of_another_archive_is_refused(tmp_path: Path):
    path = tmp_path / "a.tar.zst"
    with pytest.raises(KeyboardInterrupt):
        write(path, 30)
    with pytest.raises(ArchiveError, match=r"is of another archive that was not finished \(project local/p"):
        Writer(path, {"project": "local/q", "sweep": None}, {}, force=False)
    partial = tmp_path / "a.tar.zst.partial"
    data = bytearray(partial.read_bytes())
    data[100] ^= 1
    partial.write_bytes(data)
    with pytest.raises(
        ArchiveError, match=r"was changed since it was begun \(at byte 0\): begin anew with --force"
    ):
        write(path)
    write(path, force=True)
    must_be_whole(path)


def test_a_target_that_is_there_or_cannot_be_written(file: Path, tmp_path: Path):
    with pytest.raises(ArchiveError, match="is there already: give another FILE, or --force"):
        write(file)
    with pytest.raises(ArchiveError, match="cannot be written: No such file or directory"):
        write(tmp_path / "nowhere" / "a.tar.zst")


def test_a_full_disk_leaves_what_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, written = tmp_path / "a.tar.zst", []
    real = Writer._write

    def full(self: Writer) -> None:
        written.append(1)
        if len(written) == 10:
            monkeypatch.setattr(self, "_file", Full(self._file))
        real(self)

    monkeypatch.setattr(Writer, "_write", full)
    with pytest.raises(ArchiveError, match=r"no room is left .*the same command goes on where it was"):
        write(path)
    monkeypatch.setattr(Writer, "_write", real)
    write(path)
    assert {name: must_be_whole(path).read(name) for name in MEMBERS} == MEMBERS


class Full:
    """A file on a full disk."""

    def __init__(self, real: Any) -> None:
        self.close = real.close

    def write(self, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_flipped_bit_anywhere_is_found(file: Path, tmp_path: Path):
    data = bytearray(file.read_bytes())
    archive = Archive(file)
    edges = [frame.offset for frame in archive.frames] + [len(data) - 1 - n for n in range(120)]
    damaged = tmp_path / "damaged.tar.zst"
    for place in [*edges, *(CHANCE.randrange(len(data)) for _ in range(40))]:
        data[place] ^= 1 << CHANCE.randrange(8)
        damaged.write_bytes(data)
        assert named(damaged), place
        data[place] = file.read_bytes()[place]


def named(path: Path) -> list[str]:
    try:
        return [item["member"] for item in verify(path).damaged]
    except NoArchive:  # the mark at the end is what tells that it is one
        return ["the mark"] if not path.read_bytes().startswith(layout.ZSTD_MAGIC) else []


def test_the_damaged_member_is_named_and_no_other(file: Path, tmp_path: Path):
    archive = Archive(file)
    blob = next(name for name in archive.members if name.startswith("blobs/"))
    data = bytearray(file.read_bytes())
    number = next(n for n, frame in enumerate(archive.frames) if frame.raw >= layout.LARGEST)
    frame = archive.frames[number]
    data[frame.offset + frame.size // 2] ^= 1
    (tmp_path / "damaged.tar.zst").write_bytes(data)
    found = named(tmp_path / "damaged.tar.zst")
    assert blob in found
    assert "runs/r3/run.json" not in found
    with pytest.raises(Damaged, match=blob):
        must_be_whole(tmp_path / "damaged.tar.zst")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_cut_off(file: Path, tmp_path: Path, share: float):
    data = file.read_bytes()
    (tmp_path / "cut.tar.zst").write_bytes(data[: int(share * len(data))])
    with pytest.raises((Damaged, NoArchive), match=r"cut off after|is no archive of"):
        must_be_whole(tmp_path / "cut.tar.zst")


def test_no_archive_and_one_of_a_newer_format(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "words.txt").write_text("hello")
    with pytest.raises(NoArchive, match="is no archive of `sashiko archive`"):
        verify(tmp_path / "words.txt")
    with pytest.raises(NoArchive, match="cannot be read: No such file"):
        verify(tmp_path / "nothing")
    monkeypatch.setattr("launch.archive.reader.FORMAT", 0)
    with pytest.raises(NoArchive, match="an archive of format 1; this version of Sashiko reads format 0: update"):
        verify(file)


def test_the_command_tells_it_with_its_exit_code(file: Path, tmp_path: Path):
    done = CliRunner().invoke(app, ["verify", str(file), "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["whole"], told["of"]["project"]) == (0, True, "local/p")
    data = bytearray(file.read_bytes())
    data[5] ^= 1
    (tmp_path / "damaged.tar.zst").write_bytes(data)
    done = CliRunner().invoke(app, ["verify", str(tmp_path / "damaged.tar.zst")])
    assert done.exit_code == 1
    assert "README.txt: it cannot be unpacked" in done.stdout or "README.txt: other bytes" in done.stdout
    assert CliRunner().invoke(app, ["verify", str(tmp_path / "nothing")]).exception.exit_code == 2
