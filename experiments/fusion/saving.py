"""The artifact `fusion`: what went in, what came out, and by which plans. Weights are safetensors.

fusion.json                     the files, and of every plan its basis
parent_1.safetensors …          the parents, as they were fused
parent_1_initial.safetensors …  their weights before training, where they are known
<recipe>.safetensors            a fused network
<recipe>.plans.safetensors      of each basis the permutation (m,) or the coupling (n, m), by parent and layer
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from safetensors.torch import save_file
from torch import Tensor, nn

from experiments.fusion.config import FusionConfig
from experiments.fusion.parents import Parent
from framework.fusion.alignment import Alignment

if TYPE_CHECKING:
    from framework.tracking.run import Run


def save(
    config: FusionConfig,
    run: "Run",
    parents: Sequence[Parent],
    fused: Sequence[tuple[str, nn.Module, Sequence[Alignment]]],
) -> None:
    """Log the artifact.

    Raises:
        ArtifactError: the tracker did not take it.
    """
    folder = run.folder / "fusion"
    folder.mkdir()
    files: dict[str, Mapping[str, Tensor]] = {}
    for parent in parents:
        files[parent.name] = parent.model.state_dict()
        if parent.initial is not None:
            files[f"{parent.name}_initial"] = parent.initial
    for name, model, alignments in fused:
        files[name] = model.state_dict()
        plans = _plans(alignments)
        if plans:
            files[f"{name}.plans"] = plans
    for name, tensors in files.items():
        save_file(
            {key: tensor.cpu().contiguous() for key, tensor in tensors.items()}, folder / f"{name}.safetensors"
        )
    told = {name: sorted(tensors) for name, tensors in files.items()}
    (folder / "fusion.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    run.log_artifact("fusion", config, folder, metadata={"recipes": [name for name, _, _ in fused]})


def _plans(alignments: Sequence[Alignment]) -> dict[str, Tensor]:
    found = {}
    for number, alignment in enumerate(alignments, start=2):
        for basis, plan in alignment.plans.items():
            found[f"parent_{number}/{basis}"] = plan.index if plan.index is not None else plan.matrix()
    return found
