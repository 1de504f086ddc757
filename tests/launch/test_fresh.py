"""rerun --fresh: packages from the recorded lock, code from the archive; what cannot be had is named."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from framework.errors import CodeError
from framework.tracking import lock, packed
from launch import fresh
from launch.records import Found
from tests.lab import ROOT, Lab

LOCKED = """
lock-version = "1.0"
created-by = "sashiko"

[[packages]]
name = "one"
version = "1.0"
wheels = [{ name = "one.whl", url = "file:///one.whl", hashes = { sha256 = "aa" } }]
sdist = { name = "one.tar.gz", url = "file:///one.tar.gz", hashes = { sha256 = "bb" } }
tool = { sashiko = { record = "cc" } }

[tool.sashiko]
not_locked = [%s]
"""


def found(folder: Path | None, **told: Any) -> Found:
    record: Mapping[str, Any] = {"environment": "provenance-1", "python": sys.version.split()[0], **told}
    return Found(record, "local/p/r", folder)


def test_a_pin_has_every_digest_of_the_lock(tmp_path: Path):
    (tmp_path / lock.FILE).write_text(LOCKED % '"sashiko"')
    pins, records = fresh._pins(tmp_path)
    assert pins == ["one==1.0 --hash=sha256:aa --hash=sha256:bb"]
    assert records == {"one": "cc"}


def test_without_a_lock_versions_are_taken_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "packages.txt").write_text("one==1.0\nsashiko==0.1\n")
    assert fresh._pins(tmp_path) == (["one==1.0"], {})
    assert "no lock was recorded" in capsys.readouterr().err


def test_what_was_not_recorded_or_is_in_no_index_is_named(tmp_path: Path):
    with pytest.raises(CodeError, match="environment of local/p/r is gone"):
        fresh.build(found(None))
    with pytest.raises(CodeError, match="code of local/p/r was not recorded"):
        fresh.build(found(tmp_path))
    (tmp_path / lock.FILE).write_text(LOCKED % '"mine", "sashiko"')
    with pytest.raises(CodeError, match="mine was installed from a folder"):
        fresh._pins(tmp_path)


def test_another_python_takes_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lock, "find_uv", lambda: None)
    with pytest.raises(CodeError, match=r"done with Python 3\.9, and this is .*: install uv"):
        fresh._make(tmp_path / "venv", "3.9")


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (
            "× No solution: Because there is no version of torch==9.9.9 and you require torch==9.9.9",
            "torch==9.9.9",
        ),
        ("ERROR: Could not find a version that satisfies the requirement numpy==0.0.1", "numpy==0.0.1"),
        ("Failed to download `numpy`", "numpy"),
        ("no route to host", "a package"),
    ],
)
def test_the_package_that_cannot_be_installed_is_named_with_what_then(said: str, named: str):
    told = fresh.blamed(said, "numpy==0.0.1 --hash=sha256:aa\ntorch==9.9.9 --hash=sha256:bb\n")
    assert told.startswith(f"{named} of the recorded lock cannot be installed here; rerun without --fresh")


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_a_small_environment_is_built_from_a_lock_and_used_again(
    tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A package that is made here, with the digest of its wheel; a wheel with another digest is refused."""
    if tool == "pip":
        monkeypatch.setattr(lock, "find_uv", lambda: None)
    wheels = tmp_path / "wheels"
    digest = make_wheel(wheels)
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.setenv(name, str(wheels))
    for name in ("PIP_NO_INDEX", "UV_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SASHIKO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fresh, "CHECK", "print('sashiko-one 1.0 cc')")
    recorded = tmp_path / "recorded"
    recorded.mkdir()
    digests = LOCKED.replace('"aa"', f'"{digest}"').replace('"bb"', '"' + 64 * "b" + '"')
    text = digests.replace('"one"', '"sashiko-one"') % ""
    (recorded / lock.FILE).write_text(text)
    (recorded / packed.FILE).write_bytes(packed.pack(ROOT / "experiments"))
    built = fresh.build(found(recorded))
    done = subprocess.run(
        [built.python, "-c", "import sashiko_one; print(sashiko_one.x)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "41\n"
    assert (built.code / "framework" / "config.py").is_file()
    assert "building" in capsys.readouterr().err
    assert fresh.build(found(recorded)) == built
    assert capsys.readouterr().err == ""
    (recorded / lock.FILE).write_text(text.replace(digest, "0" * 64))
    with pytest.raises(CodeError, match=r"sashiko-one.* of the recorded lock cannot be installed here"):
        fresh.build(found(recorded, environment="provenance-2"))


def make_wheel(folder: Path) -> str:
    """A wheel of one module; its digest."""
    import hashlib
    import zipfile

    folder.mkdir()
    path = folder / "sashiko_one-1.0-py3-none-any.whl"
    files = {
        "sashiko_one.py": "x = 41\n",
        "sashiko_one-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: sashiko-one\nVersion: 1.0\n",
        "sashiko_one-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        rows = "".join(f"{name},,\n" for name in files)
        archive.writestr("sashiko_one-1.0.dist-info/RECORD", rows + "sashiko_one-1.0.dist-info/RECORD,,\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab.make(tmp_path)
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_is_done_again_bit_for_bit_in_an_environment_of_its_own(lab: Lab):
    """Every package of this environment is installed anew: from uv's cache in seconds, else over the network."""
    if lock.known({name: one.version for name, one in lock.installed().items()}) is None:
        pytest.skip("this environment is not locked: `sashiko lock` takes a package index that answers")
    cache = os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")
    done = lab.sashiko("run", "tabular", PYTHONPATH=str(ROOT))
    run = re.search(r"run (\w+) finished", done.stdout)
    assert run, done.stdout + done.stderr
    again = lab.sashiko(
        "rerun", "--from", run[1], "--fresh", timeout_s=800, PYTHONPATH=str(ROOT), UV_CACHE_DIR=cache
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert "verdict: identical" in again.stdout
    assert "other files than those that were recorded" not in again.stderr
