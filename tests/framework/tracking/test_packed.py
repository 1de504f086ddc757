"""The source in one file: what git would track, equal bytes for equal sources, and back again."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from framework.errors import CodeError
from framework.tracking import frozen, packed

FILES = {
    "inner/experiments/__init__.py": "EXPERIMENTS = {}\n",
    "inner/experiments/new.py": "x = 'ä'\n",
    "README.md": "words\n",
    "ignored.txt": "no\n",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "inner" / "experiments"


def make_repository(top: Path) -> None:
    (top / ".gitignore").write_text("ignored.txt\n")
    (top / "large.bin").write_bytes(bytes(packed.LARGEST_FILE + 1))
    for words in (["init"], ["add", "README.md", "inner/experiments/__init__.py"]):
        subprocess.run(["git", *words], cwd=top, check=True, capture_output=True)


def test_of_a_repository_it_holds_what_git_tracks_or_would(home: Path, tmp_path_factory: pytest.TempPathFactory):
    make_repository(home.parent.parent)
    folder = tmp_path_factory.mktemp("unpacked")
    (folder / "code.zip").write_bytes(packed.pack(home))
    place = packed.unpack(folder / "code.zip", folder / "code")
    assert place == folder / "code" / "inner"
    found = {str(path.relative_to(folder / "code")) for path in (folder / "code").rglob("*") if path.is_file()}
    assert found == {*FILES, ".gitignore", packed.INNER} - {"ignored.txt"}
    assert (place / "experiments" / "new.py").read_text() == FILES["inner/experiments/new.py"]
    assert packed.inner_of(folder / "code") == place


def test_equal_sources_make_equal_bytes(home: Path):
    make_repository(home.parent.parent)
    first = packed.pack(home)
    (home / "new.py").touch()
    assert packed.pack(home) == first
    (home / "new.py").write_text("x = 1\n")
    assert packed.pack(home) != first


def test_outside_a_repository_it_is_the_modules(home: Path, tmp_path: Path):
    (tmp_path / "inner" / "notes.txt").write_text("no module")
    (home / "template").mkdir()
    for name in ("page.html", "py.typed", "template/one.txt", "results.csv"):
        (home / name).write_text("x")
    (tmp_path / "code.zip").write_bytes(packed.pack(home))
    assert packed.unpack(tmp_path / "code.zip", tmp_path / "code") == tmp_path / "code"
    assert (tmp_path / "code" / "experiments" / "new.py").is_file()
    assert not (tmp_path / "code" / "notes.txt").exists()
    found = {str(path.relative_to(tmp_path / "code")) for path in (tmp_path / "code").rglob("*") if path.is_file()}
    of_home = {name for name in found if name.startswith("experiments/")}
    assert of_home == {f"experiments/{name}" for name in
                       ("__init__.py", "new.py", "page.html", "py.typed", "template/one.txt")}  # fmt: skip
    assert {"sashiko.py", "framework/report/document.html", "launch/server/ui/static/run.js"} <= found
    assert not any("__pycache__" in name for name in found)


def test_frozen_code_is_taken_whole(home: Path, tmp_path: Path):
    frozen.Record(tmp_path.name, "/elsewhere", {}, b"", "seal").write(tmp_path)
    try:
        (tmp_path / "code.zip").write_bytes(packed.pack(home))
        place = packed.unpack(tmp_path / "code.zip", tmp_path / "code")
        assert place == tmp_path / "code" / "inner"
        assert (tmp_path / "code" / "ignored.txt").read_text() == "no\n"
    finally:
        frozen.beside(tmp_path).unlink()


def test_a_source_beyond_all_measure_is_left_out(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packed, "LARGEST", 10)
    assert packed.pack(home) == b""


def test_what_is_no_archive_and_what_leads_outside_is_refused(tmp_path: Path):
    (tmp_path / "code.zip").write_bytes(b"no")
    with pytest.raises(CodeError, match="holds no code"):
        packed.unpack(tmp_path / "code.zip", tmp_path / "code")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(packed.INNER, "../..")
        archive.writestr("../outside.py", "x = 1\n")
    with pytest.raises(CodeError, match="outside itself"):
        packed.unpack(tmp_path / "evil.zip", tmp_path / "evil")
    assert not (tmp_path / "outside.py").exists()
