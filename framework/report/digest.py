"""Whether a figure would come out as it did: a digest of what it shows, of the code that draws it, and of the
versions of what that stands on.

A figure is a function with its arguments (`functools.partial`). Frames, arrays, plain values, dataclasses and
functions have a digest; a figure that is made of anything else has none, and is drawn every time.
"""

import dataclasses
import enum
import hashlib
import platform
import types
from collections.abc import Callable
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
from pydantic import BaseModel

from framework.sources import ROOTS, code_digest, source_of

PACKAGES = ("matplotlib", "numpy", "pandas", "pillow", "scikit-learn", "scipy", "umap-learn")
DIGITS = 32

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Later(Generic[T]):
    """Data that cost time to have: `load` gives them, and `digest` says which they are without that."""

    load: Callable[[], T]
    digest: Callable[[], str]


def with_loaded(draw: Callable[..., Any], data: Later[Any], *arguments: Any) -> Any:
    """`draw(data, *arguments)` for data that are loaded only now."""
    return draw(data.load(), *arguments)


def digest_of(*values: Any) -> str | None:
    """The digest of values; None where one of them has none."""
    hashed = _Hash()
    try:
        hashed.take(values)
        code = code_digest(frozenset(hashed.modules))
    except _Unknown:
        return None
    hashed.add("code", code, *versions())
    return hashed.hexdigest()


@cache
def versions() -> tuple[str, ...]:
    """The versions of what figures are drawn with."""
    return (f"python {platform.python_version()}", *(f"{name} {_version(name)}" for name in PACKAGES))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


class _Unknown(Exception):
    """A value without a digest."""


class _Hash:
    """A hash that takes values one by one, and remembers in which modules the code among them is."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.modules: set[str] = set()

    def hexdigest(self) -> str:
        return self._hash.hexdigest()[:DIGITS]

    def add(self, *parts: object) -> None:
        for part in parts:
            data = part if isinstance(part, bytes) else str(part).encode()
            self._hash.update(len(data).to_bytes(8, "little") + data)

    def take(self, value: Any) -> None:
        if value is None or isinstance(value, bool | int | float | complex | str | bytes | Path | enum.Enum):
            self.add(type(value).__name__, value)
        elif isinstance(value, np.generic | np.ndarray):
            self._array(np.asarray(value))
        elif isinstance(value, pd.DataFrame | pd.Series):
            self._frame(pd.DataFrame(value))
        elif isinstance(value, Later):
            self.add("later", value.digest())
        elif isinstance(value, partial):
            self.add("partial")
            self.take((value.func, value.args, value.keywords))
        elif isinstance(value, types.FunctionType | type):
            self._code(value)
        else:
            self._structure(value)

    def _structure(self, value: Any) -> None:
        name = type(value).__qualname__
        if isinstance(value, list | tuple):
            self.add(name, len(value))
            for item in value:
                self.take(item)
        elif isinstance(value, dict):
            self.add(name, len(value))
            for item in value.items():
                self.take(item)
        elif isinstance(value, set | frozenset):
            self.take([name, *sorted(map(repr, value))])
        elif isinstance(value, BaseModel):
            self.take([name, value.model_dump(mode="json")])
        elif dataclasses.is_dataclass(value):
            self.take([name, *(getattr(value, field.name) for field in dataclasses.fields(value))])
        else:
            raise _Unknown(name)

    def _code(self, value: Any) -> None:
        """A function or a class: its name, what it closes over, and the module that it is in."""
        module = value.__module__
        self.add("code", module, value.__qualname__)
        if isinstance(value, types.FunctionType):
            self.add(*value.__code__.co_positions())  # two lambdas may stand on one line
            self.take((value.__defaults__, value.__kwdefaults__))
            for cell in value.__closure__ or ():
                self.take(cell.cell_contents)
        if module.split(".", maxsplit=1)[0] in ROOTS or isinstance(value, types.FunctionType):
            if source_of(module) is None:
                raise _Unknown(module)
            self.modules.add(module)

    def _array(self, array: "np.ndarray[Any, Any]") -> None:
        if array.dtype.hasobject:
            self.take(["objects", array.shape, array.ravel().tolist()])
            return
        self.add("array", array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes())

    def _frame(self, frame: pd.DataFrame) -> None:
        self.add("frame", *map(repr, frame.columns), *map(str, frame.dtypes), frame.shape)
        try:
            hashes = pd.util.hash_pandas_object(frame)
        except TypeError:  # lists and the like in its cells
            self.add(frame.to_csv())
            return
        self._array(hashes.to_numpy())
