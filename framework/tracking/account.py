"""What a run tells of itself in its provenance file: where it is, what it used and made, how long it took."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from framework import inputs
from framework.config import Config
from framework.tracking import provenance, record
from framework.tracking.lineage import Version


def now() -> datetime:
    """This moment, to the millisecond."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass
class Account:
    """Kept while a run is at work. `kind`: `run`, or that of the artifact it makes; `place`: where the run is."""

    experiment: str
    kind: str
    config: Config
    place: Mapping[str, Any]
    origins: Mapping[str, str] = field(default_factory=dict)
    start: datetime = field(default_factory=now)
    inputs: dict[str, dict[str, str]] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What holds when the run begins: what it runs may change variables of the environment."""
        self._data = self.config.model_dump(mode="json")
        self._facts = provenance.record_of(self._data)

    def used(self, version: Version) -> None:
        """A required artifact was taken."""
        self.inputs[version.collection] = {"version": version.name, "digest": version.digest}

    def made(self, name: str, folder: Path, leave_out: tuple[str, ...]) -> None:
        """An artifact was made of the files of a folder; those to be left out differ each time."""
        self.outputs[name] = record.digests_of(folder, leave_out)

    def of_artifact(self, name: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """The record that lies beside an artifact."""
        made = {name: self.outputs.get(name, {})}
        return {**self._head(), "created": now(), **self._body(), "outputs": made, "metrics": numbers(metadata)}

    def of_run(self, summary: Mapping[str, Any], exit_code: int) -> dict[str, Any]:
        """The record of the run at its end."""
        whole = {"end": now(), "exit_code": exit_code, **self._body(), **_threads()}
        return {**self._head(), **whole, "outputs": self.outputs, "metrics": numbers(summary)}

    def _head(self) -> dict[str, Any]:
        kind = type(self.config)
        work = {
            "experiment": self.experiment,
            "kind": self.kind,
            "config_id": self.config.config_id,
            "config_type": f"{kind.__module__}:{kind.__qualname__}",
        }
        return {"start": self.start, "work": work, "run": dict(self.place)}

    def _body(self) -> dict[str, Any]:
        return {
            **self._facts,
            "inputs": self.inputs,
            "data": dict(inputs.read()),
            "config": self._data,
            "origins": dict(self.origins),
        }


def _threads() -> dict[str, int]:
    """How many threads computed, where torch did; the variables of the environment are not all that decides."""
    torch = sys.modules.get("torch")
    return {} if torch is None else {"threads": int(torch.get_num_threads())}


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """What of a summary is a number; the client's and our own bookkeeping is left out."""
    return {
        str(name): value
        for name, value in sorted(values.items())
        if not str(name).startswith("_") and isinstance(value, int | float) and not _is_huge(value)
    }


def _is_huge(value: float) -> bool:
    """A whole number that TOML readers need not take."""
    return isinstance(value, int) and not -(2**63) <= value < 2**63
