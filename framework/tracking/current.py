"""What this process is part of: the invocation of a command, and the tracker that its client speaks to."""

import os
import uuid
from dataclasses import replace

from framework.errors import ArtifactError
from framework.tracking.tracker import Tracker, configured

PATIENCE_S = 3600.0
"""How long a run that is under way waits for a tracker that is away."""
INVOCATION = "SASHIKO_INVOCATION"
open_runs: set[str] = set()
"""The runs (entity/project/id) that this process has begun and not ended: a client that ends closes them as well
done, whatever became of them."""


shares_client = False
"""Whether the client's service is that of the process from which this one was forked."""


def invocation() -> str:
    """The invocation that this process is part of: `SASHIKO_INVOCATION`, made up and passed on where not set."""
    return os.environ.setdefault(INVOCATION, uuid.uuid4().hex[:12])


def current_tracker(patience_s: float = PATIENCE_S) -> Tracker:
    """The tracker that this process' client speaks to; by default with the patience of a run that is under way.

    Raises:
        ArtifactError: none is configured.
    """
    import wandb  # here, because it leaves temporary folders where it is imported: workers choose the place first

    tracker = configured(os.environ, wandb.setup().settings.base_url)
    if tracker is None:
        raise ArtifactError("no tracker is configured: set WANDB_BASE_URL and WANDB_API_KEY")
    return replace(tracker, patience_s=patience_s)
