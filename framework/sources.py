"""The sources of the project's modules: a digest of what each does, and which others each stands on.

Comments, docstrings and layout are no code: they change no digest. Imports are read off the source, those inside
functions too; nothing is imported. What is imported for types alone is left out, but for packages that name their
lazy contents so.
"""

import ast
import functools
import hashlib
import importlib
from collections.abc import Iterator
from pathlib import Path

ROOTS = ("framework", "experiments")
DIGITS = 12


def code_digest(modules: frozenset[str]) -> str:
    """One digest of the sources of these modules and of the project's modules that they stand on."""
    hashed = hashlib.sha256()
    for name in sorted(modules.union(*map(modules_behind, modules))):
        hashed.update(f"{name} {module_digest(name)}\n".encode())
    return hashed.hexdigest()


@functools.cache
def module_digest(module: str) -> str | None:
    """The digest of a module's code; None where there is no such module, or no source of it that can be read."""
    path = source_of(module)
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


@functools.cache
def modules_behind(module: str) -> frozenset[str]:
    """The modules of the project that a module imports, directly or through them."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        new = {name for name in _imported(waiting.pop()) if name not in found}
        found |= new
        waiting += new
    return frozenset(found)


@functools.cache
def source_of(module: str) -> Path | None:
    """The file of a module, whether it is imported or not; None where there is none."""
    root, *inner = module.split(".")
    try:
        top = importlib.import_module(root)
    except ImportError:
        return None
    if not inner:
        return Path(top.__file__) if top.__file__ else None
    for folder in getattr(top, "__path__", ()):
        place = Path(folder).joinpath(*inner)
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file
    return None


@functools.cache
def _imported(module: str) -> frozenset[str]:
    file = source_of(module)
    if file is None:
        return frozenset()
    names = _names(ast.parse(file.read_bytes()), module, of_package=file.name == "__init__.py")
    return frozenset(name for name in names if name.split(".", maxsplit=1)[0] in ROOTS and source_of(name))


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


def _names(node: ast.AST, module: str, *, of_package: bool) -> Iterator[str]:
    """What a source imports, by dotted name; of `from a import b` both `a` and `a.b`, whichever is a module."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not of_package:
        inner: list[ast.AST] = list(node.orelse)
    else:
        inner = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = module.split(".") if of_package else module.split(".")[:-1]
        above = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)
    for child in inner:
        yield from _names(child, module, of_package=of_package)
