"""Which code made an artifact: a digest of every module of the project's own that computes, and what it stands on.

Comments, docstrings and layout are no code. Modules that only carry results to the tracker or to a reader are left
out: a change of theirs changes no number. Knows the interpreter's modules; no tracker.
"""

import ast
import functools
import hashlib
import importlib.util
import platform
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from framework.config import canonical_json

ROOTS = ("framework", "experiments")
CARRYING = (
    "framework.config", "framework.definition", "framework.dialect", "framework.errors", "framework.fields",
    "framework.grid", "framework.layers", "framework.manager", "framework.plan", "framework.problems",
    "framework.report", "framework.search", "framework.tracking",
)  # fmt: skip
PACKAGES = ("torch", "torchvision", "lightly")
DIGITS = 12
NAMED = 3


def of_process() -> dict[str, Any]:
    """The code that this process has imported: `python`, `packages` by version, `modules` by digest."""
    modules = {name: digest_of(name) for name in sorted(sys.modules) if _computes(name)}
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
    now = {name: digest_of(name) for name in code.get("modules") or {}}
    changed = [
        f"{name} {'changed' if now[name] else 'is gone'}"
        for name, digest in (code.get("modules") or {}).items()
        if now[name] != digest
    ]
    more = [f"{len(changed) - NAMED} more modules"] if len(changed) > NAMED else []
    return found + changed[:NAMED] + more


@functools.cache
def digest_of(name: str) -> str | None:
    """The digest of a module's code; None where there is no such module, or no source of it."""
    path = _source(name)
    if path is None:
        return None
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        for body in _bodies(node):
            body[:] = [statement for statement in body if not _is_text(statement)]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:DIGITS]


def _computes(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] in ROOTS and not any(
        name == other or name.startswith(f"{other}.") for other in CARRYING
    )


def _source(name: str) -> Path | None:
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        file = spec.origin if spec is not None else None
    return Path(file) if file is not None and file.endswith(".py") else None


def _bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        body = getattr(node, field, None)
        if isinstance(body, list):
            yield body


def _is_text(statement: ast.stmt) -> bool:
    """A docstring, or a string that stands by itself as one does below an attribute."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


@functools.cache
def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
