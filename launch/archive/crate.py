"""An archive told as a Workflow Run RO-Crate: a folder that programs of other fields can read.

Workflow Run Crate 0.5 where there is one sweep, which is the workflow (https://w3id.org/ro/wfrun/workflow/0.5);
else Process Run Crate 0.5. Each run is a `CreateAction`: who, when, with which parameters, with what result. Rows
and descriptions lie in the folder; the bytes of artifacts stay in the archive, which is named with its digest.
"""

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from framework.errors import ConfigError, Problem
from framework.tracking.record import digest_of
from launch.archive.errors import ArchiveError
from launch.archive.making import safe
from launch.archive.reader import Archive
from launch.telling import moment

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
CRATE = "https://w3id.org/ro/crate/1.1"
PROCESS = "https://w3id.org/ro/wfrun/process/0.5"
NO_LICENCE = "https://choosealicense.com/no-permission/"
STATUS = {"finished": "CompletedActionStatus", "running": "ActiveActionStatus", "pending": "PotentialActionStatus"}
FAILED = "FailedActionStatus"
BIOSCHEMAS = "https://bioschemas.org/profiles"
SUFFIX = ".crate"
SOFTWARE, LANGUAGE = "#sashiko", "#wandb-sweep"
_CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"


def folder_of(path: Path) -> Path:
    """Where the crate of an archive lies: `p.tar.zst` → `p.crate`."""
    return path.with_name(path.name.removesuffix(".tar.zst") + SUFFIX)


def must_be_possible(path: Path, *, force: bool) -> None:
    """Let pass an archive whose crate can be written, before anything else is done.

    Raises:
        ConfigError: the library is not there.
        ArchiveError: the folder is there already.
    """
    folder = folder_of(path)
    if folder.exists() and not force:
        raise ArchiveError(f"{folder} is there already: give another FILE, or --force to write it anew")
    try:
        import rocrate.rocrate  # noqa: F401
    except ImportError as error:
        message = "needs the library rocrate: pip install 'sashiko[ro-crate]'"
        raise ConfigError([Problem("--ro-crate", message)], "archive") from error


def write(path: Path) -> Path:
    """Write the crate of an archive beside it, in the place of an older one; its folder.

    Raises:
        ArchiveError: it cannot be written.
    """
    folder = folder_of(path)
    fresh = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _Crate(Archive(path), fresh).write()
        shutil.rmtree(folder, ignore_errors=True)
        fresh.replace(folder)
    except OSError as error:
        raise ArchiveError(f"{folder} cannot be written: {error.strerror or error}") from error
    return folder


class _Crate:
    """One crate while it is made."""

    def __init__(self, archive: Archive, folder: Path) -> None:
        from rocrate.rocrate import ROCrate

        self._archive = archive
        self._folder = folder
        self._crate: Any = ROCrate(version="1.1")  # on which the profiles rest
        self._crate.metadata.extra_contexts.append(_CONTEXT)
        self._head = archive.head()
        self._sweeps = {
            told["id"]: told for told in self._documents("sweeps/", "/sweep.json") if told["id"] is not None
        }
        entity = self._head["project"].split("/")[0]
        self._agent = self._add(f"#{entity}", "Organization", entity, url=f"{self._head['tracker']}/{entity}")
        self._parameters: dict[str, Any] = {}
        self._workflows: dict[str, Any] = {}

    def _documents(self, start: str, end: str) -> Iterator[dict[str, Any]]:
        for name in self._archive.members:
            if name.startswith(start) and name.endswith(end):
                yield json.loads(self._archive.read(name))

    def _add(self, key: str, kind: str | list[str], name: str, **properties: Any) -> Any:
        from rocrate.model.contextentity import ContextEntity

        entity = ContextEntity(self._crate, key, properties={"@type": kind, "name": name, **properties})
        return self._crate.add(entity)

    def write(self) -> None:
        """Put everything in and write it."""
        self._folder.mkdir(parents=True)
        self._root()
        self._software()
        for sweep in self._sweeps.values():
            self._workflow(sweep)
        actions = [self._action(run) for run in self._documents("runs/", "/run.json")]
        if actions:
            self._crate.root_dataset["mentions"] = actions
        for name in self._archive.members:
            if name.startswith("artifacts/"):
                self._file(name, f"The artifact {name.removeprefix('artifacts/').removesuffix('.json')}")
        self._crate.write(self._folder)

    def _root(self) -> None:
        root = self._crate.root_dataset
        of = self._head["sweep"] or self._head["project"]
        root["name"] = f"{of}, archived by Sashiko"
        root["description"] = (
            f"The runs of {of} of the W&B server {self._head['tracker']}: configurations, rows, results. The "
            f"archive {self._archive.path.name} has the bytes of their artifacts."
        )
        root["datePublished"] = moment(self._head["made_at"])
        licence = self._add(
            NO_LICENCE, "CreativeWork", "No licence was stated", description="All rights reserved."
        )
        root["license"], root["author"], root["publisher"] = licence, self._agent, self._agent
        if len(self._sweeps) == 1:
            self._crate.metadata["conformsTo"] = [{"@id": CRATE}, {"@id": list(PROFILES)[2]}]
        profiles = PROFILES if len(self._sweeps) == 1 else {PROCESS: PROFILES[PROCESS]}
        root["conformsTo"] = [
            self._add(uri, "CreativeWork", name, version=uri.rsplit("/", 1)[1]) for uri, name in profiles.items()
        ]
        root["isBasedOn"] = self._add(
            f"#{digest_of(self._archive.path)}", "CreativeWork", self._archive.path.name,
            identifier=f"sha256:{digest_of(self._archive.path)}",
            description="The archive that this was written from; `sashiko restore` puts it into a server.",
        )  # fmt: skip

    def _software(self) -> None:
        versions = self._head["versions"]
        self._add(
            SOFTWARE, "SoftwareApplication", "Sashiko", url="https://docs.wandb.ai/guides/sweeps",
            softwareVersion=versions["sashiko"], description="Works the points of sweeps, each as a run.",
        )  # fmt: skip
        self._add(
            LANGUAGE, "ComputerLanguage", "W&B sweep configuration", alternateName="W&B sweep",
            identifier={"@id": "https://docs.wandb.ai/guides/sweeps/sweep-config-keys/"},
            url={"@id": "https://docs.wandb.ai/guides/sweeps/"}, version=versions["wandb"],
        )  # fmt: skip

    def _workflow(self, sweep: Mapping[str, Any]) -> None:
        from rocrate.model.computationalworkflow import ComputationalWorkflow

        name = f"sweeps/{sweep['id']}.yaml"
        source = self._folder / name
        source.parent.mkdir(exist_ok=True)
        source.write_text(sweep["definition"], encoding="utf-8")
        workflow = self._crate.add(ComputationalWorkflow(self._crate, source, name))
        workflow["name"] = sweep.get("display_name") or sweep["id"]
        workflow["programmingLanguage"] = self._crate.dereference(LANGUAGE)
        workflow["conformsTo"] = {"@id": f"{BIOSCHEMAS}/ComputationalWorkflow/1.0-RELEASE"}
        workflow["encodingFormat"] = "application/yaml"
        workflow["url"] = f"{self._head['tracker']}/{self._head['project']}/sweeps/{sweep['id']}"
        workflow["version"] = moment(sweep["updated_at"])
        self._workflows[sweep["id"]] = workflow
        if len(self._sweeps) == 1:
            self._crate.mainEntity = workflow

    def _parameter(self, workflow: Any, side: str, name: str, value: Any) -> Any:
        """What a workflow takes or gives, noted once."""
        key = f"#{workflow.id}-{side}-{name}"
        if key not in self._parameters:
            entity = self._add(key, "FormalParameter", name, additionalType=_type(value), valueRequired=False)
            entity["conformsTo"] = {"@id": f"{BIOSCHEMAS}/FormalParameter/1.0-RELEASE"}
            self._parameters[key] = entity
            workflow.append_to(side, entity)
        return self._parameters[key]

    def _action(self, run: Mapping[str, Any]) -> Any:
        of = self._workflows.get(str(run["sweep"]))
        instrument = of or self._crate.dereference(SOFTWARE)
        told = {name: value["value"] for name, value in run["config"].items() if _is_told(name, value)}
        results = {name: value for name, value in run["summary"].items() if not name.startswith("_")}
        action = self._add(
            f"#run-{run['id']}", "CreateAction", run["name"] or run["id"],
            agent=self._agent, instrument=instrument,
            description=f"The run {run['id']}, which is {run['state']}.", startTime=moment(run["created_at"]),
            endTime=moment(run["heartbeat_at"]),
            actionStatus=f"http://schema.org/{STATUS.get(run['state'], FAILED)}",
        )  # fmt: skip
        if run["state"] not in STATUS:
            action["error"] = str(run["summary"].get("error") or run["state"])
        action["object"] = _one([*self._values(run, of, "input", told), *self._artifacts(run["used"])])
        rows = [
            self._file(name, f"Rows that the run {run['id']} logged")
            for name in self._archive.members
            if name.startswith(f"runs/{safe(run['id'])}/history-") and name.endswith(".jsonl")
        ]
        made = self._artifacts(run["made"])
        action["result"] = _one([*self._values(run, of, "output", results), *rows, *made])
        return action

    def _values(self, run: Mapping[str, Any], of: Any, side: str, told: Mapping[str, Any]) -> Iterator[Any]:
        for name, value in told.items():
            shown = value if isinstance(value, str | int | float) else json.dumps(value)
            shown = str(shown) if isinstance(shown, float) and not math.isfinite(shown) else shown
            entity = self._add(f"#run-{run['id']}-{side}-{name}", "PropertyValue", name, value=shown)
            if of is not None:
                entity["exampleOfWork"] = self._parameter(of, side, name, value)
            yield entity

    def _artifacts(self, told: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
        for one in told:
            name = f"artifacts/{safe(one['artifact'])}/v{one['version']}.json"
            if name in self._archive.members:
                yield self._file(name, f"The artifact {one['artifact']}:v{one['version']}")

    def _file(self, name: str, called: str) -> Any:
        known = self._crate.dereference(name)
        if known is not None:
            return known
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for chunk in self._archive.chunks(name):
                file.write(chunk)
        kind = "application/json" if name.endswith(".json") else "application/jsonl"
        told = {"name": called, "encodingFormat": kind, "contentSize": str(self._archive.members[name].size)}
        told["sha256"] = self._archive.members[name].sha256
        return self._crate.add_file(target, name, properties=told)


def _one(found: list[Any]) -> Any:
    """As RO-Crate has it: a list of one is that one."""
    return found[0] if len(found) == 1 else found


def _is_told(name: str, value: Any) -> bool:
    return not name.startswith("_") and name != "sashiko" and isinstance(value, dict) and "value" in value


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int):
        return "Integer"
    return "Float" if isinstance(value, float) else "Text"
