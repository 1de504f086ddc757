"""What is asked of a folder's server, the old one that made the folder and the newest one that opens it.

Only what every version answers, and nothing that differs from one start to the next (addresses, ids of sessions).
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Send = Callable[[str, str, bytes, Mapping[str, str]], tuple[int, bytes]]
"""Method, path with query, body, headers → status, body."""

_VERSION = """versionIndex digest state size fileCount metadata description createdAt aliases { alias }
    files(first: 50) { edges { node { name sizeBytes digest } } }"""
RUNS = f"""query R($e: String, $p: String) {{ project(entityName: $e, name: $p) {{ name runs(first: 50,
    order: "+created_at") {{ edges {{ node {{ name displayName state config summaryMetrics systemMetrics tags notes
    description group jobType host program commit sweepName createdAt heartbeatAt exitcode shouldStop
    historyLineCount eventsLineCount logLineCount historyTail eventsTail history(samples: 1000)
    events(samples: 1000) logLines(first: 1000) {{ edges {{ node {{ line }} }} }}
    files(first: 50) {{ edges {{ node {{ name sizeBytes }} }} }}
    outputArtifacts(first: 50) {{ edges {{ node {{ {_VERSION} }} }} }}
    inputArtifacts(first: 50) {{ edges {{ node {{ {_VERSION} }} }} }} }} }} }} }} }}"""
SWEEPS = """query S($e: String, $p: String) { project(entityName: $e, name: $p) { sweeps(first: 50) { edges {
    node { name displayName method state config description runCount runCountExpected bestLoss createdAt
    runs(first: 50) { edges { node { name } } } } } } } }"""
ARTIFACTS = f"""query A($e: String, $p: String) {{ project(entityName: $e, name: $p) {{ artifactTypes {{ edges {{
    node {{ name artifactCollections {{ edges {{ node {{ name description artifacts(first: 50) {{ edges {{
    node {{ {_VERSION} }} }} }} }} }} }} }} }} }} }} }}"""
QUESTIONS = {"runs": RUNS, "sweeps": SWEEPS, "artifacts": ARTIFACTS}
VIEWER = "{ viewer { entity username } }"


@dataclass(frozen=True)
class Asker:
    """Somebody with a key."""

    send: Send
    key: str

    @property
    def headers(self) -> dict[str, str]:
        token = base64.b64encode(f"api:{self.key}".encode()).decode()
        return {"Authorization": f"Basic {token}", "Content-Type": "application/json"}

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Send JSON; the status, and what came back."""
        status, text = self.send("POST", path, json.dumps(body).encode(), self.headers)
        return status, json.loads(text)

    def may(self, query: str, **variables: Any) -> Any:
        """The data of an answer; None if it was refused: older versions do not know everything."""
        status, answer = self.post("/graphql", {"query": query, "variables": variables})
        return answer["data"] if status == 200 and not answer.get("errors") else None

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of an answer."""
        status, answer = self.post("/graphql", {"query": query, "variables": variables})
        assert (status, answer.get("errors")) == (200, None), answer
        return answer["data"]

    def put(self, url: str, body: bytes) -> None:
        """Send bytes to a signed address."""
        path = "/" + url.split("://", 1)[-1].split("/", 1)[1]
        status, text = self.send("PUT", path, body, {"Content-Length": str(len(body))})
        assert status == 200, text

    def sees(self, projects: Iterable[Sequence[str]]) -> list[str]:
        """Those of these projects that are not hidden."""
        query = "query P($e: String, $p: String) { project(entityName: $e, name: $p) { name } }"
        answers = {f"{entity}/{project}": self.may(query, e=entity, p=project) for entity, project in projects}
        return [place for place, answer in answers.items() if answer and answer["project"]]

    def told(self, projects: Iterable[Sequence[str]]) -> dict[str, Any]:
        """Every answer about these projects."""
        return {
            f"{entity}/{project} {name}": self.may(query, e=entity, p=project)
            for entity, project in projects
            for name, query in QUESTIONS.items()
        }
