"""Models: autoencoders and classifiers with `encode` and `decode`, built from a config by a registry.

Importing this package is light; the names below bring torch with them at first use.
"""

from typing import TYPE_CHECKING

from framework.lazy import lazy

if TYPE_CHECKING:
    from framework.models.registry import MODELS as MODELS
    from framework.models.registry import build as build
    from framework.models.registry import describe as describe

_HOMES = dict.fromkeys(("MODELS", "build", "describe"), "framework.models.registry")

__getattr__ = lazy(__name__, _HOMES)
