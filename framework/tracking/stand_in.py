"""What stands in for the W&B run on the ranks that have none.

A run that several processes share is one run: the first of them has it, writes and logs. On the others a `StandIn`
takes its place, so that all of them can do the same work. Whatever is logged to it is gone. What is required, the
first one has pulled or made before; here it is fetched, by the version that the first one was given.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.config import Config
from framework.tracking import artifacts
from framework.tracking.account import Account
from framework.tracking.journal import Entry, Journal
from framework.tracking.lineage import Version
from framework.tracking.progress import Progress
from framework.tracking.run import Identity, Run

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure


class StandIn(Run):
    """Reads like the run of the first rank, and says nothing to any tracker. Its `folder` is this rank's own."""

    def __init__(
        self,
        config: Config,
        identity: Identity,
        folder: Path,
        used: Callable[[], Version],
        *,
        url: str = "",
    ) -> None:
        """`used`: waits for the next version that the first rank was given, and returns it."""
        self.config, self.identity, self.folder = config, identity, folder
        self.manager = None
        self.account = Account(identity.experiment, identity.job_type, config, {})
        self.progress = Progress(folder, Journal(_unsaid), None)
        self._used, self._url = used, url

    @property
    def id(self) -> str:
        """The run's id in its project."""
        return str(self.identity.run_id)

    @property
    def name(self) -> str:
        """The name that people see."""
        return str(self.identity.name)

    @property
    def url(self) -> str:
        """The page of the run."""
        return self._url

    @property
    def project_path(self) -> str:
        """entity/project."""
        return f"{self.identity.entity}/{self.identity.project}"

    def log(self, metrics: Mapping[str, float | int | str | bool | None]) -> None:
        """Nothing: the first rank logs."""

    def summarise(self, metrics: Mapping[str, Any]) -> None:
        """Nothing."""

    def log_image(self, key: str, image: "np.ndarray", caption: str = "") -> None:
        """Nothing."""

    def log_figure(self, key: str, figure: "Figure") -> None:
        """Nothing."""

    def log_table(self, name: str, frame: "pd.DataFrame", *, apart: bool = False) -> None:
        """Nothing."""

    def log_arrays(self, name: str, arrays: "Mapping[str, np.ndarray]") -> None:
        """Nothing."""

    def log_artifact(
        self, kind: str, config: Config, folder: Path, *, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Nothing."""

    def require(self, kind: str, config: Config) -> Path:
        """The folder of the artifact that the first rank was given when it asked for the same.

        Raises:
            ArtifactError: it cannot be fetched.
            TrackerAway: the tracker is away for longer than a run's patience.
        """
        version = self._used()
        self.account.used(version)
        return artifacts.fetch(self.project_path, version)

    def finish(self, exit_code: int = 0) -> None:
        """Nothing: the first rank ends the run."""


def _unsaid(entry: Entry, *, again: bool) -> None:
    """The first rank says it."""
