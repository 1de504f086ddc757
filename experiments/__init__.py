"""The experiments. Each is a folder with a config, its grids and a Manager; they never import one another."""

import importlib
from typing import Any

from framework.errors import UnknownExperiment
from framework.fields import nearest
from framework.manager import Manager

EXPERIMENTS = {
    "stitching": "experiments.stitching.manager:StitchingManager",
    "alignment": "experiments.alignment.manager:AlignmentManager",
    "fusion": "experiments.fusion.manager:FusionManager",
    "merging": "experiments.merging.manager:MergingManager",
}


def manager_of(name: str) -> Manager[Any]:
    """The Manager of an experiment, imported on demand.

    Raises:
        UnknownExperiment: `EXPERIMENTS` has no such name.
    """
    if name not in EXPERIMENTS:
        raise UnknownExperiment(f"there is no experiment `{name}`; {nearest(name, list(EXPERIMENTS))}")
    module, _, attribute = EXPERIMENTS[name].partition(":")
    manager: Manager[Any] = getattr(importlib.import_module(module), attribute)()
    return manager
