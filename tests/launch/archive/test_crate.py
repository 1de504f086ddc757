"""An archive told as an RO-Crate: what the profile's own validator says of it, and what is in it.

The validator reads two JSON-LD contexts from the web. Here it is given short ones that say of the terms we use
what those say: most are schema.org's.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from framework.errors import ConfigError
from launch.archive import crate
from launch.archive.errors import ArchiveError
from launch.archive.writer import Writer

BIOSCHEMAS = "https://bioschemas.org"
CONTEXTS: dict[str, Any] = {
    "https://w3id.org/ro/crate/1.1/context": {
        "@context": {
            **{
                term: f"http://schema.org/{term}"
                for term in (
                    *(
                        "CreateAction",
                        "CreativeWork",
                        "Dataset",
                        "Organization",
                        "PropertyValue",
                        "ComputerLanguage",
                    ),
                    *(
                        "SoftwareApplication",
                        "SoftwareSourceCode",
                        "about",
                        "actionStatus",
                        "additionalType",
                        "agent",
                    ),
                    *("alternateName", "author", "contentSize", "dateModified", "datePublished", "description"),
                    *(
                        "encodingFormat",
                        "endTime",
                        "error",
                        "exampleOfWork",
                        "hasPart",
                        "identifier",
                        "instrument",
                    ),
                    *("isBasedOn", "license", "mainEntity", "mentions", "name", "object", "programmingLanguage"),
                    *("publisher", "result", "softwareVersion", "startTime", "url", "value", "valueRequired"),
                    *("version", "workExample"),
                )
            },
            "File": "http://schema.org/MediaObject",
            "conformsTo": "http://purl.org/dc/terms/conformsTo",
            "ComputationalWorkflow": f"{BIOSCHEMAS}/ComputationalWorkflow",
            "FormalParameter": f"{BIOSCHEMAS}/FormalParameter",
            "input": f"{BIOSCHEMAS}/properties/input",
            "output": f"{BIOSCHEMAS}/properties/output",
        }
    },
    "https://w3id.org/ro/terms/workflow-run/context": {
        "@context": {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
    },
}
DEFINITION = "method: grid\nparameters:\n  lr:\n    values: [0.1, 0.2]\n"


def run(name: str, sweep: str | None, state: str = "finished", **more: Any) -> dict[str, Any]:
    return {
        "id": name, "name": f"name of {name}", "state": state, "sweep": sweep, "created_at": 1e9,
        "heartbeat_at": 1e9 + 5, "config": {"lr": {"value": 0.1}, "deep": {"value": {"a": [1]}}, "_wandb": {}},
        "summary": {"loss": 0.5, "odd": float("nan"), "_step": 3}, "made": [], "used": [], **more,
    }  # fmt: skip


def archive(path: Path, sweeps: int = 1) -> Path:
    head = {"tracker": "http://127.0.0.1:1", "made_at": 1e9, "versions": {"sashiko": "0.1.0", "wandb": "0.31.0"}}
    thing = {"artifact": "thing", "version": 0}
    with Writer(path, {"project": "local/p", "sweep": None}, head, force=False) as writer:
        for number in range(sweeps):
            told = {"id": f"s{number}", "definition": DEFINITION, "display_name": "grid", "updated_at": 1e9}
            writer.add(f"sweeps/s{number}/sweep.json", json.dumps(told).encode())
        runs = [run("maker", None, made=[thing]), run("r1", "s0", used=[thing]), run("r2", "s0", "failed")]
        for one in runs:
            writer.add(f"runs/{one['id']}/run.json", json.dumps(one).encode())
            writer.add(f"runs/{one['id']}/history-1.jsonl", b'{"_step":0}\n')
        writer.add("artifacts/thing/v0.json", b"{}")
        writer.finish({}, {"counts": {}})
    return path


@pytest.fixture
def validate(monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("rocrate", reason="rocrate is not installed")
    validator = pytest.importorskip("rocrate_validator.services", reason="roc-validator is not installed")
    from rocrate_validator import models

    monkeypatch.setattr("requests.sessions.Session.request", _served)

    def check(folder: Path, profile: str) -> list[str]:
        settings = validator.ValidationSettings(
            rocrate_uri=str(folder), profile_identifier=profile, requirement_severity=models.Severity.REQUIRED
        )
        result = validator.validate(settings)
        return [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()]

    return check


def _served(self: Any, method: str, url: str, **more: Any) -> Any:
    import requests

    if url not in CONTEXTS:
        raise requests.ConnectionError(f"no network in tests: {url}")
    reply = requests.Response()
    reply.status_code, reply.url = 200, url
    reply.headers["Content-Type"] = "application/ld+json"
    reply._content = json.dumps(CONTEXTS[url]).encode()
    return reply


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("sweeps", "profile"),
    [(1, "workflow-run-crate-0.5"), (1, "process-run-crate-0.5"), (0, "process-run-crate-0.5")],
)
def test_the_validator_of_the_profile_accepts_it(validate: Any, tmp_path: Path, sweeps: int, profile: str):
    folder = crate.write(archive(tmp_path / "p.tar.zst", sweeps))
    assert validate(folder, profile) == []


@pytest.mark.filterwarnings("ignore")
def test_a_crate_that_lacks_what_it_must_have_is_refused_by_it(validate: Any, tmp_path: Path):
    folder = crate.write(archive(tmp_path / "p.tar.zst"))
    file = folder / "ro-crate-metadata.json"
    told = json.loads(file.read_text())
    for entity in told["@graph"]:
        if entity["@type"] == "CreateAction":
            del entity["instrument"]
    file.write_text(json.dumps(told))
    assert any("instrument" in issue for issue in validate(folder, "workflow-run-crate-0.5"))


def test_each_run_is_an_action_with_its_parameters_and_results(tmp_path: Path):
    pytest.importorskip("rocrate", reason="rocrate is not installed")
    folder = crate.write(archive(tmp_path / "p.tar.zst"))
    assert folder.name == "p.crate"
    graph = {
        entity["@id"]: entity for entity in json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]
    }
    action = graph["#run-r1"]
    assert (action["agent"], action["instrument"]) == ({"@id": "#local"}, {"@id": "sweeps/s0.yaml"})
    assert (action["startTime"], action["endTime"]) == ("2001-09-09T01:46:40+00:00", "2001-09-09T01:46:45+00:00")
    values = {graph[item["@id"]]["name"]: graph[item["@id"]] for item in action["object"]}
    assert values["lr"]["value"] == 0.1
    assert values["deep"]["value"] == '{"a": [1]}'
    assert graph[values["lr"]["exampleOfWork"]["@id"]]["additionalType"] == "Float"
    assert {"@id": "artifacts/thing/v0.json"} in action["object"]
    results = [graph[item["@id"]] for item in action["result"]]
    assert {item["name"]: item.get("value") for item in results}["odd"] == "nan"
    assert any(item["@id"] == "runs/r1/history-1.jsonl" for item in results)
    assert graph["#run-r2"]["actionStatus"].endswith("FailedActionStatus")
    assert graph["#run-maker"]["instrument"] == {"@id": "#sashiko"}
    assert (folder / "sweeps" / "s0.yaml").read_text() == DEFINITION
    for name, entity in graph.items():
        if entity["@type"] == "File":
            assert (folder / name).is_file(), name


def test_what_stands_in_the_way_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "p.crate").mkdir()
    with pytest.raises(ArchiveError, match=r"p\.crate is there already: give another FILE, or --force"):
        crate.must_be_possible(tmp_path / "p.tar.zst", force=False)
    monkeypatch.setitem(__import__("sys").modules, "rocrate.rocrate", None)
    with pytest.raises(
        ConfigError, match=r"--ro-crate: needs the library rocrate: pip install 'sashiko\[ro-crate\]'"
    ):
        crate.must_be_possible(tmp_path / "q.tar.zst", force=False)
