"""A report in W&B: the table and figures that compare the runs of a sweep, in a run of their own.

The run has the id `report-<sweep>`: whoever compares the sweep again replaces what the run shows.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import wandb

from framework.tracking.run import Identity, settings_of, wandb_table

JOB = "report"


def log_report(
    project_path: str, sweep_id: str, experiment: str, table: pd.DataFrame, figures: Mapping[str, Path]
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
    with wandb.init(settings=settings_of(identity, light=True), config={"sweep": sweep_id}) as run:
        images = {name: wandb.Image(str(path), caption=name.replace("_", " ")) for name, path in figures.items()}
        run.log({**images, "table": wandb_table(table)})
        return str(run.url or "")
