"""The build backend (PEP 517): setuptools, and archives that are the same bytes wherever they are built.

What setuptools writes tells when and by whom it was written: times, owners, and the permissions that the umask of
a checkout has left. Here each archive is written once more, in the order of its names, with one time for all
(`SOURCE_DATE_EPOCH`, in seconds since 1970, or else 1980, the first that a zip archive knows) and with no more of
the permissions than whether a file can be executed. Runs before anything is installed, in the folder of the
project, so it needs the standard library and setuptools alone.

https://reproducible-builds.org/specs/source-date-epoch
"""

import gzip
import io
import os
import shutil
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

from setuptools import build_meta

FIRST = 315_532_800
"""1980-01-01, the first day that a zip archive can name."""
LAST = 4_354_819_199
"""The last second of 2107, the last that it can name."""
EXECUTABLE, PLAIN = 0o755, 0o644
STALE = Path("build") / "lib"
"""Where setuptools collects modules, also those of an earlier build that the tree has no more."""

build_editable = build_meta.build_editable
get_requires_for_build_editable = build_meta.get_requires_for_build_editable
get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
get_requires_for_build_wheel = build_meta.get_requires_for_build_wheel
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable
prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel; its name.

    Raises:
        SystemExit: `SOURCE_DATE_EPOCH` is no time that an archive can name.
    """
    seconds = epoch()
    shutil.rmtree(STALE, ignore_errors=True)
    name: str = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    rewrite_wheel(Path(wheel_directory, name), seconds)
    return name


def build_sdist(sdist_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    """Build the sdist; its name.

    Raises:
        SystemExit: `SOURCE_DATE_EPOCH` is no time that an archive can name.
    """
    seconds = epoch()
    name: str = build_meta.build_sdist(sdist_directory, config_settings)
    rewrite_sdist(Path(sdist_directory, name), seconds)
    return name


def epoch() -> int:
    """The time that all files get, in seconds since 1970.

    Raises:
        SystemExit: the variable says none between 1980 and 2107.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH", "") or str(FIRST)
    if not (text.isascii() and text.isdecimal() and FIRST <= int(text) <= LAST):
        allowed = f"whole seconds since 1970, from {FIRST} (1980) to {LAST} (2107)"
        told = f"SOURCE_DATE_EPOCH is {text!r}; allowed: {allowed}"
        raise SystemExit(f"{told}; git log -1 --format=%ct tells that of a commit")
    return int(text)


def rewrite_wheel(path: Path, seconds: int) -> None:
    """Write a wheel once more; what it says of itself comes last, as the format asks for (PEP 427)."""
    when = time.gmtime(seconds)[:6]
    written = io.BytesIO()
    with zipfile.ZipFile(path) as given, zipfile.ZipFile(written, "w") as archive:
        entries = [entry for entry in given.infolist() if not entry.is_dir()]
        for entry in sorted(entries, key=lambda entry: (".dist-info/" in entry.filename, entry.filename)):
            made = zipfile.ZipInfo(entry.filename, when)
            made.create_system = 3  # Unix, whatever this is
            made.external_attr = (0o100000 | _mode(entry.external_attr >> 16)) << 16
            archive.writestr(made, given.read(entry), zipfile.ZIP_DEFLATED, compresslevel=9)
    path.write_bytes(written.getvalue())


def rewrite_sdist(path: Path, seconds: int) -> None:
    """Write an sdist once more, as a tar archive in pax format whose files belong to nobody."""
    written = io.BytesIO()
    with (
        tarfile.open(path) as given,
        tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for member in sorted(given.getmembers(), key=lambda member: member.name):
            made = tarfile.TarInfo(member.name)
            made.type, made.size, made.mtime = member.type, member.size, seconds
            made.mode = EXECUTABLE if member.isdir() else _mode(member.mode)
            archive.addfile(made, given.extractfile(member) if member.isfile() else None)
    with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=seconds) as packed:
        packed.write(written.getvalue())


def _mode(mode: int) -> int:
    return EXECUTABLE if mode & 0o100 else PLAIN
