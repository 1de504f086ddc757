"""A report in W&B: the table and figures that compare the runs of a sweep, in a run of their own.

The run has the id `report-<sweep>`: whoever compares the sweep again replaces what the run shows, unless it shows
the same already.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import wandb

from framework.tracking.copies import client_copies
from framework.tracking.run import Identity, settings_of, wandb_table
from framework.tracking.states import FINISHED

JOB = "report"
DIGEST = "digest"
"""Key of the run's config that tells what it shows."""


def shown_report(project_path: str, sweep_id: str, digest: str | None) -> str | None:
    """The address of the report of a sweep, if it is there and shows what has this digest."""
    if digest is None:
        return None
    try:
        run = wandb.Api().run(f"{project_path}/{JOB}-{sweep_id}")
    except (ValueError, wandb.Error):
        return None
    return str(run.url) if run.state == FINISHED and run.config.get(DIGEST) == digest else None


def log_report(
    project_path: str,
    sweep_id: str,
    experiment: str,
    table: pd.DataFrame,
    figures: Mapping[str, Path],
    digest: str | None = None,
) -> str:
    """Log the table and the figures (PNG files, by name); returns the address of the run.

    Raises:
        wandb.errors.CommError: the tracker cannot be reached.
    """
    entity, project = project_path.split("/")
    name = f"{JOB} of {sweep_id}"
    identity = Identity(
        experiment, project, entity, f"{JOB}-{sweep_id}", name, job_type=JOB, tags=[experiment, JOB]
    )
    config = {"sweep": sweep_id, DIGEST: digest}
    with client_copies(), wandb.init(settings=settings_of(identity, light=True), config=config) as run:
        images = {name: wandb.Image(str(path), caption=name.replace("_", " ")) for name, path in figures.items()}
        run.log({**images, "table": wandb_table(table)})
        return str(run.url or "")
