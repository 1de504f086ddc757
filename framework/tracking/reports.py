"""A report in W&B: the table and figures that compare the runs of a sweep, in a run of their own.

The run has the id `report-<sweep>`: whoever compares the sweep again replaces what the run shows.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import wandb

from framework.tracking.run import wandb_table

JOB = "report"


def log_report(
    project_path: str, sweep_id: str, experiment: str, table: pd.DataFrame, figures: Mapping[str, Path]
) -> str:
    """Log the table and the figures (PNG files, by name); returns the address of the run.

    Raises:
        wandb.errors.CommError: the tracker cannot be reached.
    """
    entity, project = project_path.split("/")
    with wandb.init(
        settings=wandb.Settings(
            entity=entity,
            project=project,
            run_id=f"{JOB}-{sweep_id}",
            run_name=f"{JOB} of {sweep_id}",
            run_job_type=JOB,
            run_tags=(experiment, JOB),
            reinit="create_new",
            disable_git=True,
            disable_code=True,
            x_save_requirements=False,
            silent=True,
        ),
        config={"sweep": sweep_id},
    ) as run:
        images = {name: wandb.Image(str(path), caption=name.replace("_", " ")) for name, path in figures.items()}
        run.log({**images, "table": wandb_table(table)})
        return str(run.url or "")
