"""An environment built anew from what a run recorded: its packages from the lock, its code from the archive.

It is kept by what it holds, and used again. uv builds it where it is here, else pip; both take from the configured
index what the lock's digests allow, and nothing else. What is then installed is compared with what was recorded,
file list by file list.
"""

import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from framework.errors import CodeError
from framework.tracking import lock, packed
from framework.tracking.cache import cache_folder
from framework.tracking.provenance import PACKAGES_FILE
from launch.records import Found
from launch.words import counted

FOLDER, DONE = "fresh", ".built"
LAST = 15
CHECK = """
import sys
from importlib import metadata
sys.path[:0] = {path!r}
from framework.tracking import lock
for name, one in lock.installed().items():
    print(name, one.version, lock.record_of(one))
"""


@dataclass(frozen=True)
class Environment:
    """An interpreter with packages, and the folder in which it looks for the project's modules first."""

    python: Path
    code: Path


def build(found: Found) -> Environment:
    """The environment of a record, built or used again.

    Raises:
        CodeError: what it takes was not recorded, or a package cannot be installed here; the message names it.
    """
    if found.environment is None:
        raise CodeError(f"the environment of {found.where} is gone: neither its code nor its packages are known")
    if not (found.environment / packed.FILE).is_file():
        raise CodeError(f"the code of {found.where} was not recorded: it was larger than {packed.LARGEST:,} bytes")
    folder = cache_folder() / FOLDER / f"{found.told['environment']}-{_python(found)}"
    code = packed.inner_of(folder / "code") if (folder / DONE).is_file() else _build(found, folder)
    return Environment(folder / "venv" / "bin" / "python", code)


def _build(found: Found, folder: Path) -> Path:
    if found.environment is None:
        raise CodeError(f"the environment of {found.where} is gone")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    code = packed.unpack(found.environment / packed.FILE, folder / "code")
    pins, records = _pins(found.environment)
    (folder / "pins.txt").write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")
    typer.echo(f"building {folder / 'venv'}: {counted(len(pins), 'package')}", err=True)
    _make(folder / "venv", _python(found))
    _install(folder)
    _compare(folder, code, records)
    (folder / DONE).touch()
    return code


def _python(found: Found) -> str:
    """Major and minor version of the interpreter."""
    return ".".join(str(found.told.get("python", platform.python_version())).split(".")[:2])


def _pins(folder: Path) -> tuple[list[str], Mapping[str, str]]:
    """A requirement for each package, and the digest of its list of files."""
    path = folder / lock.FILE
    if not path.is_file():
        typer.echo(
            "note: no lock was recorded: versions are taken, and nothing says that their files are the same",
            err=True,
        )
        lines = (folder / PACKAGES_FILE).read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line.partition("==")[0] != lock.OURS], {}
    locked = tomllib.loads(path.read_text(encoding="utf-8"))
    left = [name for name in locked["tool"][lock.TOOL]["not_locked"] if name != lock.OURS]
    if left:
        told = ", ".join(left)
        raise CodeError(
            f"{told} was installed from a folder or a file, and is in no lock: install it into an environment of "
            "your own, and rerun there without --fresh"
        )
    pins = [_pin(package) for package in locked["packages"]]
    records = {one["name"]: one["tool"][lock.TOOL][lock.RECORD] for one in locked["packages"] if "tool" in one}
    return pins, records


def _pin(package: Mapping[str, Any]) -> str:
    files = [*package.get("wheels", ()), *filter(None, [package.get("sdist")])]
    digests = " ".join(f"--hash={kind}:{text}" for file in files for kind, text in file["hashes"].items())
    return f"{package['name']}=={package['version']} {digests}"


def _make(venv: Path, version: str) -> None:
    uv, here = lock.find_uv(), ".".join(platform.python_version_tuple()[:2])
    if uv is None and version != here:
        raise CodeError(
            f"the run was done with Python {version}, and this is {here}: install uv, which brings others"
        )
    given = sys.executable if version == here else version
    command = [uv, "venv", "--quiet", "--python", given] if uv else [sys.executable, "-m", "venv"]
    done = subprocess.run(
        [*command, str(venv)], capture_output=True, text=True, check=False, env=lock.surroundings()
    )
    if done.returncode:
        raise CodeError(f"no environment could be made for Python {version}: {_last(done.stdout + done.stderr)}")


def _install(folder: Path) -> None:
    python, uv, wanted = folder / "venv" / "bin" / "python", lock.find_uv(), folder / "pins.txt"
    words = ["install", "--no-deps", "--requirement", str(wanted)]
    words += ["--require-hashes"] if "--hash" in wanted.read_text(encoding="utf-8") else []
    tool = [uv, "pip"] if uv else [str(python), "-m", "pip", "--disable-pip-version-check"]
    more = ["--python", str(python)] if uv else []
    done = subprocess.run(
        [*tool, *words, *more], capture_output=True, text=True, errors="replace", check=False,
        env=lock.surroundings(),
    )  # fmt: skip
    if done.returncode:
        said = done.stdout + done.stderr
        raise CodeError(f"{blamed(said, wanted.read_text(encoding='utf-8'))}:\n{_last(said)}")


def blamed(said: str, pins: str) -> str:
    """Which package an installer could not install, in words, with what can be done."""
    names = [line.split(" ", 1)[0] for line in pins.splitlines()]
    named = [pin for pin in names if re.search(rf"\b{re.escape(pin)}(?![\w.])", said)]
    if not named:
        plain = [pin.partition("==")[0] for pin in names]
        named = [name for name in plain if re.search(rf"(?:`|\b){re.escape(name)}(?:`|\b)", _last(said))]
    told = ", ".join(named) or "a package"
    return (
        f"{told} of the recorded lock cannot be installed here; rerun without --fresh takes what is installed, "
        "and tells what differs. The installer said"
    )


def _last(said: str) -> str:
    return "\n".join(f"  {line}" for line in said.strip().splitlines()[-LAST:])


def _compare(folder: Path, code: Path, records: Mapping[str, str]) -> None:
    """Tell of packages whose files are others than those that were recorded."""
    if not records:
        return
    command = [str(folder / "venv" / "bin" / "python"), "-c", CHECK.format(path=[str(code)])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CodeError(f"the environment in {folder} does not work: {_last(done.stderr)}")
    lines = [line.split() for line in done.stdout.splitlines()]
    there = {name: digest for name, _, digest in (line for line in lines if len(line) == 3)}
    other = sorted(name for name, digest in records.items() if there.get(lock.normalised(name)) != digest)
    if other:
        typer.echo(f"note: {_some(other)}: other files than those that were recorded", err=True)


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
