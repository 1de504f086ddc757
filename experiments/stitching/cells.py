"""The mappings of one run and their files: all cells in one artifact, of the kind `mapping`.

    cells.safetensors   the numbers of cell i under `i.<name>`; the n anchors that were drawn with a seed under
                        `anchors.<n>.<seed>`, as positions in the official train split
    cells.json          a list: index, kind, num_samples, sampling_seed, ridge, source_dim, target_dim

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


class Draw(NamedTuple):
    """Anchors: how many, and the seed that they were drawn with."""

    num_samples: int
    seed: int


class Cell(NamedTuple):
    """One fitted mapping, and where in the run it stands."""

    num_samples: int
    ridge: float
    mapping: Mapping
    seed: int = 0
    label: str = ""  # what tables call the mapping: its kind, or a variant of it


def fit_cells(
    config: MappingConfig, z_source_ND: Tensor, z_target_NE: Tensor, anchors: AnyMapping[Draw, Tensor], where: str
) -> list[Cell]:
    """A cell for each draw and ridge, sharing between them whatever work the method can share.

    A method that has a seed takes the next one for each next seed of the draws, so that its own chance is part of
    what differs between them.

    Args:
        config: The method, its options and its ridges.
        z_source_ND: Latents of the source, of all candidates.
        z_target_NE: Latents of the target, of the same images.
        anchors: For each draw, the positions (S,) of the anchors among the candidates.
        where: What is fitted, for the error message.

    Raises:
        InvalidInput: the latents or their sizes cannot be used; the message begins with `where`.
    """
    options = config.options()
    first = min(draw.seed for draw in anchors)
    seeds = sorted({draw.seed for draw in anchors}) if "seed" in options else [None]
    cells = []
    for seed in seeds:
        draws = [draw for draw in anchors if seed in (None, draw.seed)]
        pairs = [(z_source_ND[anchors[draw]], z_target_NE[anchors[draw]]) for draw in draws]
        own = {} if seed is None else {"seed": options["seed"] + seed - first}
        try:
            fitted = fit_grid(config.kind, pairs, config.ridge_values, **options | own)
        except InvalidInput as error:
            raise type(error)(error.problems, where) from error
        cells += [
            Cell(draw.num_samples, ridge, mapping, draw.seed, config.label)
            for draw, path in zip(draws, fitted, strict=True)
            for ridge, mapping in zip(config.ridge_values, path, strict=True)
        ]
    return cells


def save_cells(cells: Sequence[Cell], anchors: AnyMapping[Draw, Tensor], folder: Path) -> None:
    """Write `cells`, and the anchors (S,) of each draw, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"anchors.{count}.{seed}": positions_S for (count, seed), positions_S in anchors.items()}
    entries = []
    for index, (num_samples, ridge, mapping, seed, _) in enumerate(cells):
        tensors |= {f"{index}.{name}": tensor for name, tensor in mapping.state_dict().items()}
        entries.append(
            {
                "index": index,
                "kind": mapping.kind,
                "num_samples": num_samples,
                "sampling_seed": seed,
                "ridge": ridge,
                "source_dim": mapping.source_dim,
                "target_dim": mapping.target_dim,
            }
        )
    save_file(tensors, folder / "cells.safetensors")
    (folder / "cells.json").write_text(json.dumps(entries, indent=1) + "\n")


def load_cell(folder: Path, num_samples: int, ridge: float, sampling_seed: int | None = None) -> Mapping:
    """The mapping of one cell, in eval mode; without a seed that of the first draw.

    Raises:
        ArtifactError: the folder holds no cells, or none with these values.
    """
    try:
        entries = json.loads((folder / "cells.json").read_text())
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder} holds no cells.json: it is no artifact of a stitching run") from error
    for entry in entries:
        seed_fits = sampling_seed is None or entry.get("sampling_seed", sampling_seed) == sampling_seed
        if entry["num_samples"] == num_samples and entry["ridge"] == ridge and seed_fits:
            prefix = f"{entry['index']}."
            with safe_open(folder / "cells.safetensors", framework="pt") as file:
                numbers = {
                    name.removeprefix(prefix): file.get_tensor(name)
                    for name in file.keys()  # noqa: SIM118  # the file handle is no mapping
                    if name.startswith(prefix)
                }
            return mapping_of(entry["kind"], numbers, entry["source_dim"], entry["target_dim"])
    there = ", ".join(dict.fromkeys(f"({entry['num_samples']}, {entry['ridge']:g})" for entry in entries))
    seed = "" if sampling_seed is None else f" of the draw with seed {sampling_seed}"
    raise ArtifactError(f"no cell (num_samples, ridge) = ({num_samples}, {ridge:g}){seed}; there are: {there}")
