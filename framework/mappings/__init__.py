"""Mappings between latent spaces: one method a file, one interface.

Importing this package is light; the names below bring torch with them at first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.mappings.base import Mapping as Mapping
    from framework.mappings.methods import METHODS as METHODS
    from framework.mappings.methods import fit_path as fit_path
    from framework.mappings.methods import load_mapping as load_mapping

_HOMES = {
    "METHODS": "framework.mappings.methods",
    "Mapping": "framework.mappings.base",
    "fit_path": "framework.mappings.methods",
    "load_mapping": "framework.mappings.methods",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
