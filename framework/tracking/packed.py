"""The source of a study in one file, so that a run can be done again where its repository is not.

A zip archive of what git tracks or would track, and of frozen code everything; equal sources make equal bytes.
Files beyond a megabyte are data, and stay out. Outside a repository it is what a wheel has: the modules of the
project, and the pages, templates and profiles among them.
"""

import importlib.util
import io
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

from framework.errors import CodeError
from framework.tracking import frozen

FILE = "code.zip"
LARGEST_FILE, LARGEST = 1_000_000, 50_000_000
EPOCH = (1980, 1, 1, 0, 0, 0)
PACKAGES = ("experiments", "framework", "launch")
BEGINS = "sashiko"
"""The module in which the command begins."""
SUFFIXES, NAMES = (".py", ".html", ".sql"), ("py.typed",)
FOLDERS = ("static", "uplot", "profiles", "template")
"""Packed outside a repository: files named so, and all in folders named so (as `package_data` in setup.cfg)."""
INNER = ".sashiko-path"
"""The file in the archive that tells in which of its folders modules are looked for."""


def pack(home: Path) -> bytes:
    """The source around the package of experiments in `home`; nothing where it is larger than 50 MB."""
    top = top_of(home)
    files = {name: top / name for name in _listed(top)} if top else dict(_modules(home))
    written, size = io.BytesIO(), 0
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.writestr(zipfile.ZipInfo(INNER, EPOCH), os.path.relpath(home.parent, top) if top else ".")
        for name, path in sorted(files.items()):
            if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST_FILE:
                continue
            data = path.read_bytes()
            size += len(data)
            if size > LARGEST:
                return b""
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = (path.stat().st_mode & 0o755) << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return written.getvalue()


def unpack(path: Path, folder: Path) -> Path:
    """Write the files into a folder; the place in it where modules are looked for.

    Raises:
        CodeError: it is no archive that `pack` made.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            archive.getinfo(INNER)
            archive.extractall(folder)  # names that lead outside lose what leads there
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise CodeError(f"{path} holds no code: {error}") from error
    return inner_of(folder)


def inner_of(folder: Path) -> Path:
    """Where in unpacked source modules are looked for.

    Raises:
        CodeError: it names a place outside itself.
    """
    inner = (folder / INNER).read_text(encoding="utf-8")
    place = (folder / inner).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise CodeError(f"{folder} names a place outside itself: {inner}")
    return place


def top_of(home: Path) -> Path | None:
    """The folder that holds the whole source: of frozen code, or the top of a repository that tracks `home`."""
    for folder in (home, *home.parents):
        if frozen.read(folder) is not None:
            return folder
    top = _git(home, "rev-parse", "--show-toplevel").decode().strip()
    return Path(top) if top and _git(home, "ls-files", "--", ".") else None


def _listed(top: Path) -> Iterator[str]:
    if frozen.read(top) is not None:
        yield from (str(path.relative_to(top)) for path in top.rglob("*"))
        return
    told = _git(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    yield from {os.fsdecode(name) for name in told.split(b"\0") if name}


def _modules(home: Path) -> Iterator[tuple[str, Path]]:
    """The files of the project's packages, each where it is imported from, by their names in the archive."""
    begins = importlib.util.find_spec(BEGINS)
    if begins is not None and begins.origin is not None:
        yield f"{BEGINS}.py", Path(begins.origin)
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        places = [Path(place) for place in (found.submodule_search_locations or ())] if found else []
        for place in [home] if package == home.name else places[:1]:
            yield from ((str(path.relative_to(place.parent)), path) for path in place.rglob("*") if _is_ours(path))


def _is_ours(path: Path) -> bool:
    """Whether a file in a package belongs to it, and is no cache and no result."""
    return path.suffix in SUFFIXES or path.name in NAMES or path.parent.name in FOLDERS


def _git(folder: Path, *words: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return done.stdout if done.returncode == 0 else b""
