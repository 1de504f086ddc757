"""Which code made an artifact: a digest of every module of the project's own that computes, and what it stands on.

Comments and docstrings are no code (`framework.sources`). Modules that only carry results to the tracker or to a
reader are left out: a change of theirs changes no number. Knows the interpreter's modules; no tracker.
"""

import functools
import hashlib
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from framework.config import canonical_json
from framework.sources import DIGITS, ROOTS, module_digest

CARRYING = (
    "framework.config", "framework.definition", "framework.dialect", "framework.errors", "framework.fields",
    "framework.grid", "framework.layers", "framework.manager", "framework.plan", "framework.problems",
    "framework.report", "framework.search", "framework.tracking",
)  # fmt: skip
LISTS = ("experiments", "framework")
"""Packages that only say what there is: an experiment that is added changes no other."""
PACKAGES = ("torch", "torchvision", "lightly")
NAMED = 3


def of_process() -> dict[str, Any]:
    """The code that this process has imported: `python`, `packages` by version, `modules` by digest."""
    modules = {name: module_digest(name) for name in sorted(sys.modules) if _computes(name)}
    return {
        "python": _python(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "modules": {name: digest for name, digest in modules.items() if digest},
    }


def fingerprint(code: Mapping[str, Any]) -> str:
    """One word for all of it."""
    return hashlib.sha256(canonical_json(code).encode()).hexdigest()[:DIGITS]


def differences(code: Mapping[str, Any]) -> list[str]:
    """How the code of today differs from that of a record, in words; nothing if it would do the same."""
    if code.get("python") != _python():  # whose grammar is another, so that digests cannot be compared
        return [f"python {code.get('python')} → {_python()}"]
    was = code.get("packages") or {}
    versions = {name: (was.get(name), _version(name)) for name in PACKAGES}
    found = [
        f"{name} {old or 'absent'} → {new or 'absent'}" for name, (old, new) in versions.items() if old != new
    ]
    recorded = {name: digest for name, digest in (code.get("modules") or {}).items() if _computes(name)}
    now = {name: module_digest(name) for name in recorded}
    changed = [
        f"{name} {'changed' if now[name] else 'is gone'}"
        for name, digest in recorded.items()
        if now[name] != digest
    ]
    more = [f"{len(changed) - NAMED} more modules"] if len(changed) > NAMED else []
    return found + changed[:NAMED] + more


def _computes(name: str) -> bool:
    if name.split(".", maxsplit=1)[0] not in ROOTS or name in LISTS or name.endswith(".grids"):
        return False
    return not any(name == other or name.startswith(f"{other}.") for other in CARRYING)


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


@functools.cache
def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
