"""Beginning a run at the tracker, with the real client.

The client asks again for minutes where a tracker does not answer. Where an answer breaks off in its middle, as
when the tracker or what stands before it dies just then, it gives up at once, and to it the run is in use since
then. So its service is started anew before the run is begun once more.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any

import wandb

from framework.tracking import current

_BREAKS = re.compile(r"\bunexpected EOF\b|\bconnection reset by peer\b|\bbroken pipe\b", re.IGNORECASE)


def broke_off(error: BaseException) -> bool:
    """Whether the client gave up because an answer broke off."""
    return isinstance(error, wandb.Error) and _BREAKS.search(str(error)) is not None


def begin(config: Mapping[str, Any], settings: wandb.Settings) -> "wandb.Run":
    """Begin a run, or go on with one; once more where the answer broke off, if the client is this process's own.

    Raises:
        wandb.Error: the tracker did not take the run.
    """
    settings.run_id = settings.run_id or wandb.setup().settings.run_id or secrets.token_hex(4)
    try:
        return wandb.init(config=dict(config), settings=settings)
    except wandb.Error as error:
        if not broke_off(error) or current.shares_client or current.open_runs:
            raise
    wandb.teardown(exit_code=1)
    return wandb.init(config=dict(config), settings=settings)
