"""Work once more what a provenance file tells of: the same config, the same inputs by digest.

The run is a new one beside the first; what it makes is compared by digest and not logged, so that what the first
one made stays the newest.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framework import inputs
from framework.config import Config
from framework.errors import ConfigError, Problem
from framework.manager import Manager
from framework.plan import RUN
from framework.tracking import leaving, record
from framework.tracking.copies import client_copies
from framework.tracking.run import Identity, Run
from framework.tracking.tracker import DEFAULT_PROJECT

TAG = "rerun"


def config_of(told: Mapping[str, Any], manager: Manager[Any], where: str = "") -> Config:
    """The config in a record, as the code of now types it, and equal to the one that was.

    Raises:
        ConfigError: the code of now does not take it, or takes it for another config.
    """
    work = told["work"]
    kind = manager.config if work["kind"] == RUN else _type(str(work["config_type"]), where)
    config = kind.parse(told["config"], where)
    if config.config_id != work["config_id"]:
        message = (
            f"is {config.config_id} with the code of now, and was {work['config_id']}: fields of the config have "
            "changed their meaning since; --fresh takes the recorded code"
        )
        raise ConfigError([Problem("work.config_id", message)], where)
    return config


def _type(name: str, where: str) -> type[Config]:
    module, _, qualified = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in qualified.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            [Problem("work.config_type", f"is {name!r}, which is not here: {error}")], where
        ) from error
    if not (isinstance(found, type) and issubclass(found, Config)):
        raise ConfigError([Problem("work.config_type", f"is {name!r}, which is no config")], where)
    return found


def work_again(told: Mapping[str, Any], manager: Manager[Any], write_to: Path, where: str = "") -> str:
    """Do the work of a record, and write that of the new run; its address.

    Raises:
        ConfigError: the code of now does not take the config.
        ArtifactError: an artifact that was used is gone, or is another one now.
        DataUnavailable: so is a data set.
        Interrupted: a signal came.
    """
    config, work, place = config_of(told, manager, where), told["work"], told.get("run", {})
    identity = Identity(
        work["experiment"],
        place.get("project") or DEFAULT_PROJECT,
        place.get("entity"),
        name=f"{place.get('name') or work['config_id']} again",
        group=TAG,
        job_type=work["kind"],
        tags=[work["experiment"], TAG],
        origins=told.get("origins", {}),
        pins=told.get("inputs", {}),
    )
    inputs.pin(told.get("data", {}))
    with client_copies(), leaving.listening(), Run(config, identity, manager) as run:
        url = run.url
        if work["kind"] == RUN:
            manager.check(config)
            manager.run(config, run)
        else:
            manager.make(work["kind"], config, run)
    record.write(write_to, run.told)
    return url
