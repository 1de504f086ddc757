"""The mappings of one run and their files: all cells in one artifact, of the kind `mapping`.

    cells.safetensors   the numbers of cell i under `i.<name>`; the anchors of n samples under `anchors.<n>`, as
                        positions in the official train split
    cells.json          a list: index, kind, num_samples, ridge, source_dim, target_dim

Shapes: S anchors.
"""

import json
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from framework.errors import ArtifactError, InvalidInput
from framework.mappings.base import Mapping
from framework.mappings.config import MappingConfig
from framework.mappings.methods import fit_grid, mapping_of


class Cell(NamedTuple):
    """One fitted mapping, and where in the run it stands."""

    num_samples: int
    ridge: float
    mapping: Mapping
    label: str = ""  # what tables call the mapping: its kind, or a variant of it


def fit_cells(
    config: MappingConfig, z_source_ND: Tensor, z_target_NE: Tensor, anchors: AnyMapping[int, Tensor], where: str
) -> list[Cell]:
    """A cell for each number of samples and ridge, sharing between them whatever work the method can share.

    Args:
        config: The method, its options and its ridges.
        z_source_ND: Latents of the source, of all candidates.
        z_target_NE: Latents of the target, of the same images.
        anchors: For each number of samples, the positions (S,) of the anchors among the candidates.
        where: What is fitted, for the error message.

    Raises:
        InvalidInput: the latents or their sizes cannot be used; the message begins with `where`.
    """
    pairs = [(z_source_ND[positions_S], z_target_NE[positions_S]) for positions_S in anchors.values()]
    try:
        fitted = fit_grid(config.kind, pairs, config.ridge_values, **config.options())
    except InvalidInput as error:
        raise type(error)(error.problems, where) from error
    return [
        Cell(num_samples, ridge, mapping, config.label)
        for num_samples, path in zip(anchors, fitted, strict=True)
        for ridge, mapping in zip(config.ridge_values, path, strict=True)
    ]


def save_cells(cells: Sequence[Cell], anchors: AnyMapping[int, Tensor], folder: Path) -> None:
    """Write `cells`, and the anchors (S,) of each number of samples, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"anchors.{count}": positions_S for count, positions_S in anchors.items()}
    entries = []
    for index, (num_samples, ridge, mapping, _) in enumerate(cells):
        tensors |= {f"{index}.{name}": tensor for name, tensor in mapping.state_dict().items()}
        entries.append(
            {
                "index": index,
                "kind": mapping.kind,
                "num_samples": num_samples,
                "ridge": ridge,
                "source_dim": mapping.source_dim,
                "target_dim": mapping.target_dim,
            }
        )
    save_file(tensors, folder / "cells.safetensors")
    (folder / "cells.json").write_text(json.dumps(entries, indent=1) + "\n")


def load_cell(folder: Path, num_samples: int, ridge: float) -> Mapping:
    """The mapping of one cell, in eval mode.

    Raises:
        ArtifactError: the folder holds no cells, or none with these values.
    """
    try:
        entries = json.loads((folder / "cells.json").read_text())
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder} holds no cells.json: it is no artifact of a stitching run") from error
    for entry in entries:
        if entry["num_samples"] == num_samples and entry["ridge"] == ridge:
            prefix = f"{entry['index']}."
            with safe_open(folder / "cells.safetensors", framework="pt") as file:
                numbers = {
                    name.removeprefix(prefix): file.get_tensor(name)
                    for name in file.keys()  # noqa: SIM118  # the file handle is no mapping
                    if name.startswith(prefix)
                }
            return mapping_of(entry["kind"], numbers, entry["source_dim"], entry["target_dim"])
    there = ", ".join(f"({entry['num_samples']}, {entry['ridge']:g})" for entry in entries)
    raise ArtifactError(f"no cell (num_samples, ridge) = ({num_samples}, {ridge:g}); there are: {there}")
