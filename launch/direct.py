"""Points that a worker is there for: it is told which, and asks the tracker for none."""

from typing import Any

from framework.tracking.tracker import Tracker


class Alone:
    """Signs of life for the run that a worker has, where it is no agent of the sweep."""

    def __init__(self, impatient: Tracker, project_path: str) -> None:
        """`project_path`: entity/project."""
        self._impatient = impatient
        self._project_path = project_path

    def heartbeat(self, running: str | None) -> list[dict[str, Any]]:
        """What the tracker wants, as an agent is told it: that the run stops, or nothing.

        Raises:
            TrackerAway: it does not answer at present.
        """
        if running is None:
            return []
        told = self._impatient.file_stream(f"{self._project_path}/{running}", {})
        return [{"type": "stop", "run_id": running}] if told.get("stopped") else []
