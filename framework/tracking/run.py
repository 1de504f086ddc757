"""One W&B run, through the real client.

A `Run` logs rows, tables, figures and artifacts, and asks for the artifacts that it needs. Values that a sweep
set stay in the W&B config exactly as the sweep gave them (W&B would hand a changed point out again); the whole
typed config stands beside them under `sashiko`.
"""

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import wandb

from framework.config import Config
from framework.errors import ArtifactError, Interrupted, NotStarted
from framework.tracking import artifacts, beginning, journal, lineage, logs, making, provenance, record, workplace
from framework.tracking.account import Account
from framework.tracking.artifacts import Made
from framework.tracking.current import PATIENCE_S, current_tracker, invocation, open_runs
from framework.tracking.half_done import HalfDone
from framework.tracking.journal import Entry, Journal
from framework.tracking.lineage import Version
from framework.tracking.progress import Progress, told_if_not_kept

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    from framework.manager import Manager

logger = logging.getLogger(__name__)
T = TypeVar("T")
Resume = Literal["must", "allow"]
ONLINE = ("online", "run", "shared")
RESULTS_KIND = "results"
APART = "apart"  # metadata of the results: the tables that have artifacts of their own
TABLE_ROWS, TABLE_CELLS = 10_000, 30_000
TYPED_ROWS = 20
RETRY_S = 15
RETRIES = int(PATIENCE_S / RETRY_S)
SASHIKO, INPUTS = "sashiko", "inputs"
COPIES = ("config.yaml", "wandb-summary.json", "wandb-metadata.json")


@dataclass(frozen=True)
class Identity:
    """Where a run belongs and what it is called; the worker or the command line fills it in."""

    experiment: str
    project: str
    entity: str | None = None
    run_id: str | None = None
    name: str | None = None
    group: str | None = None
    job_type: str = "run"
    tags: Sequence[str] = ()
    sweep_id: str | None = None
    swept: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    """Which layer each value came from that is no default, by dotted key."""
    pins: Mapping[str, Mapping[str, str]] | None = None
    """Of a run that repeats another: `version` and `digest` of what that one used. It logs no artifact."""


class Run:
    """A W&B run that is being worked on. Use as a context manager: an exception ends it as failed."""

    def __init__(
        self,
        config: Config,
        identity: Identity,
        manager: "Manager[Any] | None" = None,
        *,
        light: bool = False,
        resume: Resume | None = None,
        together: int = 1,
    ) -> None:
        """Start the run, or go on with one that was interrupted: rows that the tracker has are not sent again.

        `resume`: one that `must` be there, or one that may be (`allow`); without it a run begins its history anew.
        `progress` has what an earlier attempt at the same work has left half done.

        `light` leaves out what short runs cannot afford: the client's own lists of packages and machine facts
        (both are in the run's provenance), and files that only repeat the run's config and summary.
        `together`: how many runs this process works at once.

        Raises:
            NotStarted: the tracker did not take the run.
        """
        self.config = config
        self.identity = identity
        self.manager = manager
        self.tell_use: Callable[[Version], None] | None = None
        self.told: dict[str, Any] = {}
        """What `provenance.toml` says of the run, once it has ended."""
        self._apart: list[str] = []
        self._truth = _truth(config, identity)
        self._meter = workplace.Meter(together)
        self.folder = Path(tempfile.mkdtemp(prefix="sashiko-run-"))
        try:
            shown = {**_shown(config, identity), SASHIKO: self._truth, **identity.swept}
            self._wandb = beginning.begin(shown, settings_of(identity, light, resume=resume))
        except BaseException as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            told = f"{type(error).__name__}: {error}"
            raise NotStarted(told, broke_off=beginning.broke_off(error)) from error
        open_runs.add(self._wandb.path)
        self._online = self._wandb.settings.mode in ONLINE
        self._logged_before = logs.begin_run(self.id)
        logger.info("run begins", extra={"experiment": identity.experiment, "config_id": config.config_id})
        self.account = Account(identity.experiment, identity.job_type, config, self._place(), _origins(identity))
        self._journal = Journal(self._speak, rows_there=self._wandb.starting_step)
        keeps = self._online and identity.pins is None
        self.progress = Progress(self.folder, self._journal, HalfDone(self, self._wandb) if keeps else None)
        before = self._wandb.summary.get(workplace.USED) if resume else None  # type: ignore[no-untyped-call]
        self._used_before = list(before or ())
        try:
            self._store_environment()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise

    def _store_environment(self) -> None:
        """See to it that the tracker has what the provenance of the run refers to."""
        if provenance.is_stored():
            return
        name = provenance.of_process().name
        if self._online and lineage.newest(current_tracker(), self.project_path, name) is not None:
            return
        artifacts.log_environment(self._wandb, self.folder / provenance.KIND)

    def _place(self) -> dict[str, Any]:
        """Where the run is, for its provenance."""
        server = str(self._wandb.settings.base_url) if self._online else None
        known = {"tracker": server, "entity": self._wandb.entity, "project": self._wandb.project, "id": self.id}
        return {**known, "name": self.name, "sweep": self.identity.sweep_id}

    @property
    def id(self) -> str:
        """The run's id in its project."""
        return str(self._wandb.id)

    @property
    def name(self) -> str:
        """The name that people see."""
        return str(self._wandb.name)

    @property
    def url(self) -> str:
        """The page of the run; empty where the client works offline."""
        return str(self._wandb.url or "")

    @property
    def project_path(self) -> str:
        """entity/project."""
        return f"{self._wandb.entity}/{self._wandb.project}"

    @property
    def inputs(self) -> dict[str, str]:
        """The digest of each artifact that was used, by name."""
        return {name: used["digest"] for name, used in self.account.inputs.items()}

    def log(self, metrics: Mapping[str, float | int | str | bool | None]) -> None:
        """Add one row to the history."""
        self._journal.say(Entry(journal.ROW, dict(metrics)))

    def summarise(self, metrics: Mapping[str, Any]) -> None:
        """Set values that describe the run as a whole."""
        self._journal.say(Entry(journal.SUMMARY, dict(metrics)))

    def log_image(self, key: str, image: "np.ndarray", caption: str = "") -> None:
        """Log an image, (H, W) or (H, W, C) with values in [0, 1]."""
        pixels = (image.clip(0, 1) * 255).round().astype("uint8")
        self._log_picture(key, wandb.Image(pixels), caption)

    def log_figure(self, key: str, figure: "Figure") -> None:
        """Log a matplotlib figure as an image."""
        self._log_picture(key, wandb.Image(figure), "")

    def _log_picture(self, key: str, picture: wandb.Image, caption: str) -> None:
        self._journal.say(Entry(journal.PICTURE, {"key": key, "caption": caption}, picture=picture.image))

    def log_table(self, name: str, frame: "pd.DataFrame", *, apart: bool = False) -> None:
        """Log a table to W&B, and keep it whole as `<name>.parquet` in the run's results artifact.

        A table that is large in every run goes `apart`, into an artifact of its own kind `<name>`: whoever
        compares runs then downloads it only when it is asked for. W&B shows no more than 10,000 rows of a table,
        and its client takes a second for 100,000 cells: of a larger table it gets fewer rows, spread evenly, and
        the summary `<name>_rows` tells how many there are.
        """
        self._journal.say(Entry(journal.TABLE, {"name": name, "apart": apart}, table=frame))

    def log_arrays(self, name: str, arrays: "Mapping[str, np.ndarray]") -> None:
        """Keep arrays as `<name>.npz` in the run's results artifact, for figures that are drawn later."""
        import numpy as np

        np.savez_compressed(self._results_folder() / f"{name}.npz", **arrays)  # type: ignore[arg-type]

    def _results_folder(self) -> Path:
        folder = self.folder / RESULTS_KIND
        folder.mkdir(exist_ok=True)
        return folder

    def log_artifact(
        self, kind: str, config: Config, folder: Path, *, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Log the files of `folder` as the artifact `<kind>-<config_id>`, and wait until the tracker has it.

        Config and provenance are added beside the payload. `folder` lies in that of the run.

        Raises:
            ArtifactError: a file is in an unsafe format, or the tracker did not take the artifact.
        """
        data = config.model_dump(mode="json")
        made = Made(kind, config.config_id, data, dict(metadata or {}), required=True)
        place = {"folder": str(folder.relative_to(self.folder))}
        self._journal.say(Entry(journal.ARTIFACT, {**made._asdict(), **place}))

    def _log_artifact(self, made: Made, folder: Path) -> None:
        if self.identity.pins is not None:  # it repeats another: what that one made stays the newest
            self.account.made(made.name, folder, artifacts.ABOUT)
            return
        logged = self._while_away(lambda: artifacts.log(self._wandb, made, folder, self.account))
        if self._online:
            artifacts.wait(logged)

    def _while_away(self, call: Callable[[], T]) -> T:
        """The result of a call of the client that asks the tracker, which is waited for if it is away."""
        return artifacts.patiently(call) if self._online else call()

    # --- what the journal says -----------------------------------------------------------------------------

    def _speak(self, entry: Entry, *, again: bool) -> None:
        data = dict(entry.data)
        if entry.kind == journal.ROW:
            self._row(data)
        elif entry.kind == journal.SUMMARY:
            self._wandb.summary.update(data)
        elif entry.picture is not None:
            self._row({data["key"]: wandb.Image(entry.picture, caption=data["caption"] or None)})
        elif entry.table is not None:
            self._table(data["name"], entry.table, apart=data["apart"])
        else:
            folder = self.folder / data.pop("folder")
            made = Made(**data)
            self.account.made(made.name, folder, artifacts.ABOUT)
            if not again or lineage.newest(current_tracker(), self.project_path, made.name) is None:
                self._log_artifact(made, folder)

    def _row(self, values: Mapping[str, Any]) -> None:
        if self._journal.next_row_is_new():
            self._wandb.log(dict(values))

    def _table(self, name: str, frame: "pd.DataFrame", *, apart: bool) -> None:
        shown, most = frame, min(TABLE_ROWS, TABLE_CELLS // max(1, len(frame.columns)))
        if len(frame) > most:
            shown = frame.iloc[[place * len(frame) // most for place in range(most)]]
            self._wandb.summary.update({f"{name}_rows": len(frame)})
        if self._journal.next_row_is_new():
            self._while_away(lambda: self._wandb.log({name: wandb_table(shown)}))
        folder = self.folder / name if apart else self._results_folder()
        folder.mkdir(exist_ok=True)
        frame.to_parquet(folder / f"{name}.parquet", index=False)
        if apart and name not in self._apart:
            self._apart.append(name)

    def require(self, kind: str, config: Config) -> Path:
        """The folder of the artifact that `config` makes: pulled if it exists, made once if it does not.

        Its version is recorded in the run's config, and whether it is stale: made by other code, or of other
        inputs. What becomes of a stale one is the policy's to say (`stale.Policy`).

        Raises:
            ArtifactError: it cannot be made, its bytes do not match their digest, or it is stale and refused.
            TrackerAway: the tracker is away for longer than a run's patience.
        """
        if not self._online:
            message = (
                f"a run without a tracker cannot ask for {kind}-{config.config_id}: unset WANDB_MODE; with no "
                "account, `sashiko serve` starts a tracker on this machine"
            )
            raise ArtifactError(message)
        found, why = self._newest(artifacts.name_of(kind, config))
        if found is None:
            if self.manager is None:
                message = f"{kind}-{config.config_id} is missing, and no Manager is here to make it"
                raise ArtifactError(message)
            maker = making.Maker(self.manager, self.identity.experiment, self.project_path)
            found, why = making.made(maker, kind, config)
        self._record_use(found, why)
        artifacts.patiently(lambda: self._wandb.use_artifact(f"{self.project_path}/{found.name}", type=found.kind))
        folder = artifacts.fetch(self.project_path, found)
        if self.tell_use is not None:  # other processes work this run, too
            self.tell_use(found)
        return folder

    def _newest(self, name: str) -> tuple[Version | None, list[str]]:
        """The version of an artifact to use, and why it is stale; of a run that repeats another, that one's."""
        pin = (self.identity.pins or {}).get(name)
        if pin is None:
            return making.latest(current_tracker(), self.project_path, name)
        found = lineage.at(current_tracker(), self.project_path, pin["version"])
        if found is None or found.digest != pin["digest"]:
            there = "is gone" if found is None else f"has the digest {found.digest}"
            message = f"{pin['version']} {there}, and {pin['digest']} was used: restore it, or make it again"
            raise ArtifactError(message)
        return found, []

    def _record_use(self, version: Version, why: Sequence[str]) -> None:
        self.account.used(version)
        used = {"version": version.name, "digest": version.digest, **({"stale": list(why)} if why else {})}
        self._truth = {**self._truth, INPUTS: {**self._truth.get(INPUTS, {}), version.collection: used}}
        self._wandb.config.update({SASHIKO: self._truth}, allow_val_change=True)  # type: ignore[no-untyped-call]
        if why:
            print(f"{version.name} is stale, and used as it is: {'; '.join(why)}", file=sys.stderr)

    def finish(self, exit_code: int = 0) -> None:
        """End the run: finished with 0, failed with anything else. Its local copy goes once the tracker has it."""
        try:
            if exit_code == 0:
                self._log_results()
            self.progress.close(is_done=exit_code == 0)
        except Exception as error:
            self.summarise({"error": f"{type(error).__name__}: {error}"})
            self._end(1)
            raise
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._end(exit_code)

    def _log_results(self) -> None:
        results = self.folder / RESULTS_KIND
        if not results.is_dir():
            return
        about = self.config.config_id, self.config.model_dump(mode="json")
        for name in self._apart:
            self._log_artifact(Made(name, *about, {}, required=False), self.folder / name)
        self._log_artifact(Made(RESULTS_KIND, *about, {APART: self._apart}, required=False), results)

    def _end(self, exit_code: int) -> None:
        self.summarise({workplace.USED: [*self._used_before, self._meter.read()]})
        self._write_record(exit_code)
        copy = Path(self._wandb.settings.sync_dir)
        self._wandb.finish(exit_code=exit_code)
        logger.info("run ends", extra={"exit_code": exit_code})
        logs.end_run(self._logged_before)
        open_runs.discard(self._wandb.path)
        if self._online:
            shutil.rmtree(copy, ignore_errors=True)

    def _write_record(self, exit_code: int) -> None:
        """Leave the provenance with the run: it is sent with its files."""
        if self._wandb.settings.mode == "disabled":
            return
        files = Path(self._wandb.settings.files_dir)
        files.mkdir(parents=True, exist_ok=True)
        summary = self._wandb.summary._as_dict()  # type: ignore[no-untyped-call]
        self.told = self.account.of_run(summary, exit_code)
        record.write(files / record.FILE, self.told)
        self._wandb.save(str(files / record.FILE), base_path=str(files), policy="end")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Interrupted):
            if error.gives_back:
                with told_if_not_kept():  # it is given back all the same, and begins again
                    self.progress.keep()
                self._wandb.mark_preempting()
            self.finish(error.exit_code)
            return
        if error is not None:
            self.summarise({"error": f"{type(error).__name__}: {error}"})
        self.finish(1 if error is not None else 0)


def wandb_table(frame: "pd.DataFrame") -> "wandb.Table":
    """A W&B table. Typing every cell by itself, the client would take a second for each thousand rows.

    A column that holds words beside numbers is one of words: W&B's have one type.
    """
    columns = (_of_one_type(frame[name].tolist()) for name in frame)
    rows: list[Any] = [list(row) for row in zip(*columns, strict=True)]
    table = wandb.Table(columns=[str(name) for name in frame], data=rows[:TYPED_ROWS])
    table.data = rows
    return table


def _of_one_type(values: list[Any]) -> list[Any]:
    words = [isinstance(value, str) for value in values]
    if not any(words) or all(words):
        return values
    return [value if value is None or value != value else str(value) for value in values]  # noqa: PLR0124 (NaN)


def _shown(config: Config, identity: Identity) -> dict[str, Any]:
    """The typed values for people to filter by; what a sweep set stays as the sweep gave it."""
    swept = {key for name in identity.swept for key in name.split("+")}
    return {key: value for key, value in config.model_dump(mode="json").items() if key not in swept}


def _origins(identity: Identity) -> dict[str, str]:
    """Where values came from; those of a sweep from it."""
    swept = {key: f"sweep {identity.sweep_id}" for name in identity.swept for key in name.split("+")}
    return {**swept, **identity.origins}


def _truth(config: Config, identity: Identity) -> dict[str, Any]:
    """The whole truth, which stands in the W&B config under `sashiko`."""
    data = config.model_dump(mode="json")
    return {
        "experiment": identity.experiment,
        "config_id": config.config_id,
        "config": data,
        "invocation": invocation(),
        "provenance": provenance.record_of(data),
        "worker": workplace.here(),
    }


def settings_of(identity: Identity, light: bool, *, resume: Resume | None = None) -> wandb.Settings:
    """The client's settings for a run of this identity; `light` and `resume` as in `Run`."""
    # All in one object: the client validates its settings anew for each argument that it is given by itself.
    settings: dict[str, Any] = {
        "entity": identity.entity,
        "project": identity.project,
        "run_id": identity.run_id,
        "run_name": identity.name,
        "run_group": identity.group,
        "run_job_type": identity.job_type,
        "run_tags": tuple(identity.tags),
        "sweep_id": identity.sweep_id,
        "reinit": "create_new",
        "disable_git": True,  # the run has its own provenance
        "disable_code": True,
        "x_save_requirements": not light,
        "silent": True,
        "symlink": False,
        "resume": resume,
        # A tracker that is away for minutes is waited for: the work of hours hangs on it.
        "init_timeout": PATIENCE_S,
        "x_graphql_retry_max": RETRIES,
        "x_graphql_retry_wait_max_seconds": RETRY_S,
        "x_file_stream_retry_max": RETRIES,
        "x_file_stream_retry_wait_max_seconds": RETRY_S,
        "x_file_transfer_retry_max": RETRIES,
        "x_file_transfer_retry_wait_max_seconds": RETRY_S,
    }
    if light:
        settings |= {"x_disable_meta": True, "x_disable_machine_info": True, "ignore_globs": COPIES}
    root = os.environ.get("WANDB_DIR")
    if root:
        Path(root).mkdir(parents=True, exist_ok=True)
    return wandb.Settings(**{key: value for key, value in settings.items() if value is not None})
