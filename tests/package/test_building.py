"""What is in the wheel and in the sdist, and that they are the same bytes wherever they are built."""

import sys
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from framework.tracking import packed
from launch.package import backend
from tests.package import building
from tests.package.building import Built

PACKAGES = ("framework/", "experiments/", "launch/")
LEFT_OUT = ("launch/package/",)
SECONDS = "1700000000"

pytestmark = pytest.mark.slow


def in_wheel(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def in_sdist(path: Path) -> set[str]:
    with tarfile.open(path) as archive:
        return {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}


def test_the_wheel_has_all_of_the_packages_but_their_pages_and_nothing_else(built: Built):
    ours = [name for name in building.tracked() if name.startswith(PACKAGES) and not name.startswith(LEFT_OUT)]
    pages = {name for name in ours if name.endswith("/README.md") and "/template/" not in name}
    assert in_wheel(built.wheel) == {*ours, "sashiko.py"} - pages


def test_what_a_run_records_of_an_installed_wheel_is_all_of_it(built: Built, tmp_path: Path):
    """Outside a repository: an environment made of it (`rerun --fresh`) has the pages and templates, too."""
    with zipfile.ZipFile(built.wheel) as archive:
        archive.extractall(tmp_path)
    code = "import sys; from pathlib import Path; from framework.tracking import packed; " \
        "Path('code.zip').write_bytes(packed.pack(Path('experiments').absolute()))"  # fmt: skip
    building.call([sys.executable, "-c", code], tmp_path, PYTHONPATH=str(tmp_path), GIT_CEILING_DIRECTORIES="/")
    with zipfile.ZipFile(tmp_path / "code.zip") as archive:
        assert set(archive.namelist()) == {*in_wheel(built.wheel), packed.INNER}


def test_the_sdist_has_what_git_tracks(built: Built):
    made = {"PKG-INFO", "sashiko.egg-info/PKG-INFO"}
    found = {name for name in in_sdist(built.sdist) if not name.startswith("sashiko.egg-info/")}
    assert found - made == set(building.tracked())


def test_equal_trees_become_equal_bytes_wherever_and_with_whatever_umask(built: Built, tmp_path: Path):
    given = {"SOURCE_DATE_EPOCH": SECONDS}
    one = building.build(building.copy(tmp_path / "one"), tmp_path / "first", **given)
    tree = building.copy(tmp_path / "another" / "place", umask=0o077)
    (tree / "setup.cfg").touch()
    two = building.build(tree, tmp_path / "second", umask=0o077, **given)
    assert one.wheel.read_bytes() == two.wheel.read_bytes()
    assert one.sdist.read_bytes() == two.sdist.read_bytes()
    assert one.wheel.read_bytes() != built.wheel.read_bytes(), "the time is in it"
    with zipfile.ZipFile(one.wheel) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}
    with tarfile.open(one.sdist) as archive:
        assert {(m.mtime, m.uid, m.uname, oct(m.mode)) for m in archive.getmembers()} == {
            (int(SECONDS), 0, "", mode) for mode in ("0o644", "0o755")
        }


def test_a_wheel_straight_from_the_tree_is_that_of_the_sdist_and_has_nothing_of_an_earlier_build(
    built: Built, tmp_path: Path
):
    tree = building.copy(tmp_path / "tree")
    stale = tree / "build" / "lib" / "framework" / "gone.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("x = 1\n")
    assert building.build_wheel(tree, tmp_path / "built").read_bytes() == built.wheel.read_bytes()


@pytest.mark.parametrize("text", ["yesterday", "-1", "1.5", "٣", "315532799", "4354819200", " 1700000000"])
def test_a_time_that_is_none_is_told(text: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with pytest.raises(SystemExit, match=r"SOURCE_DATE_EPOCH is .*; allowed: whole seconds since 1970"):
        backend.epoch()


def test_without_a_time_it_is_the_first_that_a_zip_archive_knows(monkeypatch: pytest.MonkeyPatch):
    for text in ("", None):
        monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
        if text is not None:
            monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
        assert datetime.fromtimestamp(backend.epoch(), UTC) == datetime(1980, 1, 1, tzinfo=UTC)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(backend.LAST))
    assert datetime.fromtimestamp(backend.epoch(), UTC) == datetime(2107, 12, 31, 23, 59, 59, tzinfo=UTC)
