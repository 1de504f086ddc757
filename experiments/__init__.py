"""The experiments. Each is a folder with a config, its grids and a Manager; they never import one another."""

import importlib
import traceback
from typing import Any

from framework.errors import SashikoError, UnknownExperiment
from framework.fields import nearest
from framework.manager import Manager

EXPERIMENTS = {
    "stitching": "experiments.stitching.manager:StitchingManager",
    "alignment": "experiments.alignment.manager:AlignmentManager",
    "fusion": "experiments.fusion.manager:FusionManager",
    "merging": "experiments.merging.manager:MergingManager",
    "ssl": "experiments.ssl.manager:SSLManager",
    "multitask": "experiments.multitask.manager:MultitaskManager",
    "tabular": "experiments.tabular.manager:TabularManager",
    "communication": "experiments.communication.manager:CommunicationManager",
}


def manager_of(name: str) -> Manager[Any]:
    """The Manager of an experiment, imported on demand.

    Raises:
        UnknownExperiment: `EXPERIMENTS` has no such name, or what it names cannot be imported.
    """
    if name not in EXPERIMENTS:
        raise UnknownExperiment(f"there is no experiment `{name}`; {nearest(name, list(EXPERIMENTS))}")
    module, _, attribute = EXPERIMENTS[name].partition(":")
    try:
        manager: Manager[Any] = getattr(importlib.import_module(module), attribute)()
    except SashikoError:
        raise
    except Exception as error:  # whatever a module that somebody is editing may raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = (place.filename, place.lineno)
        if isinstance(error, SyntaxError):
            where = (error.filename or place.filename, error.lineno)
        message = (
            f"experiment `{name}` cannot be imported: {type(error).__name__}: {error} ({where[0]}:{where[1]})"
        )
        raise UnknownExperiment(message) from error
    return manager
