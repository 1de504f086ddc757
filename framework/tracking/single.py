"""One run outside the workers: from the command line, or under the stock `wandb agent`.

An agent tells a run its point through the environment; the values are read typed from the file that it names,
never from the command line's words.
"""

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from framework.config import Config
from framework.manager import Manager
from framework.plan import Point, name_of
from framework.tracking import leaving
from framework.tracking.copies import client_copies
from framework.tracking.run import Identity, Resume, Run
from framework.tracking.tracker import DEFAULT_PROJECT

AGENT_VARIABLES = ("WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH", "WANDB_RUN_ID")


def take_from_agent(environment: MutableMapping[str, str]) -> Identity | None:
    """The identity that `wandb agent` gave this process, or None outside one.

    The variables are taken out of the environment: a run that makes a required artifact is no run of the sweep.
    """
    if "WANDB_SWEEP_ID" not in environment:
        return None
    values = {name: environment.pop(name, None) for name in AGENT_VARIABLES}
    path = values["WANDB_SWEEP_PARAM_PATH"]
    parameters = yaml.safe_load(Path(path).read_text(encoding="utf-8")) if path else {}
    swept = {
        name: spec["value"] if isinstance(spec, Mapping) and "value" in spec else spec
        for name, spec in (parameters or {}).items()
        if name != "wandb_version"
    }
    return Identity(
        experiment="",
        project=environment.get("WANDB_PROJECT") or DEFAULT_PROJECT,
        entity=environment.get("WANDB_ENTITY"),
        run_id=values["WANDB_RUN_ID"],
        sweep_id=values["WANDB_SWEEP_ID"],
        swept=swept,
    )


def identity_of(
    experiment: str,
    config: Config,
    point: Point | None,
    agent: Identity | None,
    origins: Mapping[str, str] | None = None,
) -> Identity:
    """How a run is called: by its place in a grid, by its agent, or plainly by what differs from the defaults.

    `origins`: which layer each value came from that is no default.
    """
    project = os.environ.get("WANDB_PROJECT") or DEFAULT_PROJECT
    identity = agent or Identity(experiment, project, os.environ.get("WANDB_ENTITY"))
    identity = replace(identity, experiment=experiment, tags=[experiment], origins=dict(origins or {}))
    if point is None and agent is None:
        identity = replace(identity, name=name_of(config))
    if point is not None:
        swept = {key: f"point {point.index} of {point.batch}" for name in point.raw for key in name.split("+")}
        tags = [experiment, point.label]
        identity = replace(identity, name=point.name, group=point.batch, tags=tags, origins=swept)
    return identity


def work(manager: Manager[Any], config: Config, identity: Identity) -> tuple[str, str]:
    """Run one config in this process; returns the run's id and address.

    A run that an agent was given may have been interrupted before: it goes on then.

    Raises:
        Interrupted: a signal came; what is half done is kept.
    """
    resume: Resume | None = "allow" if identity.sweep_id else None
    with client_copies(), leaving.listening(), Run(config, identity, manager, resume=resume) as run:
        where = run.id, run.url
        manager.run(config, run)
    return where
