"""Mappings between latent spaces: one method a file, one interface.

Importing this package is light; the names below bring torch with them at first use.
"""

from typing import TYPE_CHECKING

from framework.lazy import lazy

if TYPE_CHECKING:
    from framework.mappings.base import Mapping as Mapping
    from framework.mappings.base import MappingWarning as MappingWarning
    from framework.mappings.base import Method as Method
    from framework.mappings.methods import METHODS as METHODS
    from framework.mappings.methods import fit_grid as fit_grid
    from framework.mappings.methods import fit_path as fit_path
    from framework.mappings.methods import load_mapping as load_mapping
    from framework.mappings.methods import mapping_of as mapping_of

_HOMES = {
    "METHODS": "framework.mappings.methods",
    "Mapping": "framework.mappings.base",
    "MappingWarning": "framework.mappings.base",
    "Method": "framework.mappings.base",
    "fit_grid": "framework.mappings.methods",
    "fit_path": "framework.mappings.methods",
    "load_mapping": "framework.mappings.methods",
    "mapping_of": "framework.mappings.methods",
}

__all__ = [
    "METHODS",
    "Mapping",
    "MappingWarning",
    "Method",
    "fit_grid",
    "fit_path",
    "load_mapping",
    "mapping_of",
]

__getattr__ = lazy(__name__, _HOMES)
