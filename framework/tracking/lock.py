"""The lock of an environment: which file of an index each installed package is, as `pylock.toml` (PEP 751).

What is installed says its version, and not where its file came from. Only an index knows the digest of that file:
it is asked by uv where that is here (half a second), else by pip (twenty seconds), and the lock is kept by what is
installed, in the environment itself, so that machines without a network that share it find it there. A run never
asks an index. Each package has the digest of its list of files beside it (`record`), from which it can be told
whether an environment that was built from the lock is the one that was recorded.

PEP 751, "A file format to record Python dependencies for installation reproducibility", 2025.
"""

import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import tomli_w

from framework.errors import CodeError
from framework.tracking.cache import cache_folder

FILE = "pylock.toml"
FOLDER = "sashiko-locks"
TOOL, RECORD = "sashiko", "record"
OURS = "sashiko"
ASKING_S = 180.0
LAST = 12


def installed() -> dict[str, metadata.Distribution]:
    """What this interpreter finds installed, by normalised name; the first of a name counts, as in an import."""
    found: dict[str, metadata.Distribution] = {}
    for distribution in metadata.distributions():
        if distribution.name:
            found.setdefault(normalised(distribution.name), distribution)
    return dict(sorted(found.items()))


def normalised(name: str) -> str:
    """A package's name as PEP 503 has it."""
    return name.lower().replace("_", "-").replace(".", "-")


def digest_of(versions: Mapping[str, str]) -> str:
    """What the lock of these versions is called by; our own code is recorded elsewhere."""
    text = "".join(f"{name}=={version}\n" for name, version in versions.items() if name != OURS)
    return hashlib.sha256(f"{sys.implementation.cache_tag} {platform.machine()}\n{text}".encode()).hexdigest()[:12]


def known(versions: Mapping[str, str]) -> str | None:
    """The text of the lock of these versions, if somebody has made it here."""
    for folder in _folders():
        path = folder / f"{digest_of(versions)}.toml"
        with contextlib.suppress(OSError):
            return path.read_text(encoding="utf-8")
    return None


def make() -> Path:
    """Ask the index for the file of each installed package, and keep the lock; where it lies.

    Raises:
        CodeError: neither uv nor pip can do it, with what they said; or there is no place to keep it.
    """
    packages = installed()
    versions = {name: one.version for name, one in packages.items()}
    with tempfile.TemporaryDirectory(prefix="sashiko-lock-") as text:
        folder = Path(text)
        wanted = folder / "wanted.txt"
        pins = [f"{name}=={one.version}\n" for name, one in packages.items() if not _is_local(one)]
        wanted.write_text("".join(pins), encoding="utf-8")
        _ask(wanted, folder / FILE)
        lock = tomllib.loads((folder / FILE).read_text(encoding="utf-8"))
    lock = _ours_only(lock) | {"packages": [_with_record(one, packages) for one in lock["packages"]]}
    lock["tool"] = {TOOL: {"not_locked": sorted(name for name, one in packages.items() if _is_local(one))}}
    return _keep(digest_of(versions), tomli_w.dumps(lock))


def _ours_only(lock: Mapping[str, Any]) -> dict[str, Any]:
    """The head of the lock: for this interpreter, whatever the tool wrote of others."""
    version = ".".join(platform.python_version_tuple()[:2])
    return {"lock-version": lock["lock-version"], "created-by": "sashiko", "requires-python": f"=={version}.*"}


def _with_record(package: Mapping[str, Any], packages: Mapping[str, metadata.Distribution]) -> dict[str, Any]:
    found = packages.get(normalised(package["name"]))
    if found is None:
        return dict(package)
    return {**package, "tool": {TOOL: {RECORD: record_of(found)}}}


def record_of(distribution: metadata.Distribution) -> str:
    """The digest of the list of a package's files, without those that the installer writes itself."""
    lines = (distribution.read_text("RECORD") or "").splitlines()
    of_package = sorted(line for line in lines if not _is_written_here(line.partition(",")[0]))
    return hashlib.sha256("\n".join(of_package).encode()).hexdigest()[:12]


def _is_written_here(path: str) -> bool:
    return ".dist-info/" in path or path.endswith(".pyc") or path.startswith(("..", "/"))


def _is_local(distribution: metadata.Distribution) -> bool:
    """Whether a package was installed from a folder, a file or a repository, which no index has."""
    return distribution.read_text("RECORD") is None or distribution.read_text("direct_url.json") is not None


def _ask(wanted: Path, lock: Path) -> None:
    """Write the lock of what is wanted."""
    said: list[str] = []
    for command in _tools(wanted, lock):
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=ASKING_S, check=False, env=surroundings()
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            said.append(f"{Path(command[0]).name}: {error}")
            continue
        if done.returncode == 0 and lock.is_file():
            return
        said += (done.stderr or done.stdout).strip().splitlines()[-LAST:]
    told = "\n  ".join(said) or "neither uv nor pip is here"
    raise CodeError(f"no lock of this environment could be made; it takes a package index that answers:\n  {told}")


def _tools(wanted: Path, lock: Path) -> Iterator[list[str]]:
    uv = find_uv()
    if uv is not None:
        words = ["--quiet", "--no-deps", "--no-header", "--format", FILE, "--python", sys.executable]
        yield [uv, "pip", "compile", *words, "--output-file", str(lock), str(wanted)]
    words = ["--quiet", "--disable-pip-version-check", "--no-deps", "--output", str(lock)]
    yield [sys.executable, "-m", "pip", "lock", *words, "--requirement", str(wanted)]


def find_uv() -> str | None:
    """The command uv: beside this interpreter, or on the path."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def surroundings() -> dict[str, str]:
    """The environment of an installer: uv trusts what this machine trusts, as pip does, unless told otherwise.

    A proxy that reads along has a certificate of the institute's own.
    """
    return {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1", **os.environ}


def _folders() -> Sequence[Path]:
    """Where locks are kept: in the environment, or where that cannot be written, in the user's cache."""
    return Path(sys.prefix) / FOLDER, cache_folder() / FOLDER


def _keep(name: str, text: str) -> Path:
    for folder in _folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / f".{name}.{os.getpid()}"
            partial.write_text(text, encoding="utf-8")
            return partial.replace(folder / f"{name}.toml")
        except OSError:
            continue
    raise CodeError(f"no lock can be kept: neither {' nor '.join(map(str, _folders()))} can be written")


if __name__ == "__main__":
    print(f"  locked: {make()}")
