"""Models: autoencoders with `encode` and `decode`, built from a config by a registry.

Importing this package is light; the names below bring torch with them at first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.models.registry import MODELS as MODELS
    from framework.models.registry import build as build
    from framework.models.registry import describe as describe

_HOMES = dict.fromkeys(("MODELS", "build", "describe"), "framework.models.registry")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
