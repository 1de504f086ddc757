"""The tracker: the W&B server that the client speaks to, and the few questions that the client has no verb for.

The client's own settings decide which one it is (`WANDB_BASE_URL`, `WANDB_API_KEY`, or a login). This module
speaks GraphQL and the file stream in the form that wandb.ai and the embedded server share; it knows no run's
content and no experiment.
"""

import functools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from framework.errors import TrackerAway, TrackerError, TrackerGone, TrackerRefused
from framework.tracking.keys import CLOUD, api_of, stored_key

DEFAULT_PROJECT = "sashiko"
TIMEOUT_S = 30.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
PATIENCE_S = 15.0
SAID_AFTER_S = 3.0
REFUSED = (401, 403)
LOCAL = ("http://127.0.0.1:", "http://localhost:", "http://[::1]:")
BUSY = (429, 503)
LONGEST_TOLD_S = 3600.0
FINAL = (400, 404, 409, 410, 413, 422, 501)

_quiet_until: dict[str, float] = {}
"""Until when, on the steady clock, servers have asked to be left alone."""


@dataclass(frozen=True)
class Tracker:
    """Address and key of one W&B server. `patience_s` is how long calls wait for one that does not answer.

    `say` is told once a call, in words, that it waits: nobody waits for minutes without a word.
    """

    url: str
    key: str
    patience_s: float = PATIENCE_S
    say: Callable[[str], None] | None = field(default=None, compare=False, repr=False)

    def execute(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The `data` of a GraphQL query.

        Raises:
            TrackerRefused: the key is wrong, or has no right to do this.
            TrackerAway: the server did not answer within `patience_s`.
            TrackerGone: what is asked for was there, and has been deleted.
            TrackerError: it answered with an error.
        """
        body = {"query": query, "variables": dict(variables or {})}
        reply = self._post("/graphql", body)
        errors = reply.get("errors")
        if errors:
            raise TrackerError(f"{self.url}: {'; '.join(str(error.get('message')) for error in errors)}")
        data: dict[str, Any] = reply.get("data") or {}
        return data

    def pages(self, query: str, variables: Mapping[str, Any], *path: str) -> Iterator[dict[str, Any]] | None:
        """The nodes of a list in many pages, such as ("project", "runs"); None where what holds it is not there.

        The query takes `$cursor` and asks for `pageInfo { endCursor hasNextPage }`. The first page is fetched
        here, each further one only when its nodes are asked for.

        Raises:
            TrackerError: as `execute`, also later on.
        """
        first = self._page(query, variables, path, None)
        return None if first is None else self._nodes(query, variables, path, first)

    def _page(
        self, query: str, variables: Mapping[str, Any], path: tuple[str, ...], cursor: str | None
    ) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.execute(query, {**variables, "cursor": cursor})
        for name in path:
            found = (found or {}).get(name)
        return found

    def _nodes(
        self, query: str, variables: Mapping[str, Any], path: tuple[str, ...], page: dict[str, Any] | None
    ) -> Iterator[dict[str, Any]]:
        while page is not None:
            yield from (edge["node"] for edge in page["edges"])
            info = page["pageInfo"]
            page = self._page(query, variables, path, info["endCursor"]) if info["hasNextPage"] else None

    def file_stream(self, run_path: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Send rows, log lines or the end of a run, as the client does (`run_path`: entity/project/run id).

        An empty payload is a sign of life. The reply says whether the run is to stop.
        """
        return self._post(f"/files/{run_path}/file_stream", dict(payload))

    def check(self) -> str:
        """The entity that the key belongs to.

        Raises:
            TrackerRefused: the key is wrong.
            TrackerError: nothing answers at the address.
        """
        viewer = self.execute("query Viewer { viewer { id entity } }").get("viewer")
        if not viewer:
            raise TrackerRefused(self._refusal())
        return str(viewer["entity"])

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        def attempt() -> requests.Response:
            return connection(os.getpid(), self.url.startswith(LOCAL)).post(
                self.url + path, data=json.dumps(body), auth=("api", self.key), timeout=TIMEOUT_S,
                headers={"Content-Type": "application/json"},
            )  # fmt: skip

        response = patiently(attempt, self.patience_s, self.url, self.say)
        if response.status_code in REFUSED:
            raise TrackerRefused(self._refusal())
        if response.status_code != requests.codes.ok:
            kind = TrackerGone if response.status_code == requests.codes.gone else TrackerError
            raise kind(f"{self.url}{path} answered {response.status_code}: {reason(response)}")
        reply: dict[str, Any] = response.json() if response.content else {}
        return reply

    def _refusal(self) -> str:
        return (
            f"{self.url} refused the API key (WANDB_API_KEY, or the one that `wandb login` saved); "
            'for the embedded server run: eval "$(sashiko env)"'
        )


@functools.lru_cache(maxsize=1)
def connection(pid: int, local: bool) -> requests.Session:
    """One connection a process: a fork must not speak on its parent's."""
    session = requests.Session()
    session.trust_env = not local  # a proxy is no way to this machine, and looking for one costs a millisecond
    return session


def patiently(
    attempt: Callable[[], requests.Response],
    patience_s: float,
    url: str,
    say: Callable[[str], None] | None = None,
) -> requests.Response:
    """Repeat `attempt` with growing pauses while the server is away or overloaded.

    A server that says how long to wait (429, 503) is not asked before, by no call of this process.

    Raises:
        TrackerAway: it is still away after `patience_s` seconds, or wants to be left alone for longer.
    """
    start, pause = time.monotonic(), FIRST_PAUSE_S
    problem = "has asked for a pause"
    while True:
        wait = _quiet_until.get(url, 0.0) - time.monotonic()
        if wait <= 0:
            response, problem = _tried(attempt)
            if response is not None and (response.ok or response.status_code in REFUSED + FINAL):
                return response
            told = 0.0 if response is None else pause_told(response)
            if told:
                _quiet_until[url] = time.monotonic() + told
            wait = max(told, pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        until = time.monotonic() + wait - start
        if until > patience_s:
            raise TrackerAway(f"the tracker {url} {problem}; {_advice(wait)}")
        if say is not None and until > SAID_AFTER_S:
            say(f"the tracker {url} {problem}; it is asked again for up to {patience_s / 60:.0f} minutes")
            say = None
        time.sleep(wait)


def _tried(attempt: Callable[[], requests.Response]) -> tuple[requests.Response | None, str]:
    """The response, if there is one, and what is wrong with it in words."""
    try:
        response = attempt()
    except requests.RequestException as error:
        return None, f"does not answer ({type(error).__name__})"
    # What is good is not read here: it may be long.
    return response, "" if response.ok else f"answered {response.status_code}: {reason(response)}"


def _advice(wait: float) -> str:
    if wait > LONGEST_PAUSE_S:
        return f"it wants to be left alone for {wait:.0f} s: try again then, or with fewer workers"
    return "is it running? `sashiko serve` starts the embedded one"


def pause_told(response: requests.Response) -> float:
    """The seconds that a server wants to be left alone for: `Retry-After`, in seconds or as a date, on its clock.

    wandb.ai also tells when its limit begins anew (`RateLimit-Reset`). 0 where nothing is told.
    """
    if response.status_code not in BUSY:
        return 0.0
    told = response.headers.get("Retry-After") or response.headers.get("RateLimit-Reset") or ""
    try:
        return min(max(float(told), 0.0), LONGEST_TOLD_S)
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(told).timestamp()
        date = response.headers.get("Date")
        now = parsedate_to_datetime(date).timestamp() if date else time.time()
    except (ValueError, TypeError):
        return 0.0
    return min(max(until - now, 0.0), LONGEST_TOLD_S)


def reason(response: requests.Response) -> str:
    """What a refusal says of itself."""
    try:
        reply = response.json()
        errors = reply.get("errors") or [{"message": reply.get("error") or response.text}]
        return "; ".join(str(e.get("message", e) if isinstance(e, dict) else e) for e in errors)
    except (ValueError, AttributeError):
        return response.text[:200]


def configured(environment: Mapping[str, str], base_url: str | None = None) -> Tracker | None:
    """The tracker that the environment or a `wandb login` points at, or None where neither does.

    Raises:
        TrackerRefused: the environment gives an address, and there is no key for it.
    """
    url = api_of(environment.get("WANDB_BASE_URL") or base_url or CLOUD)
    key = environment.get("WANDB_API_KEY") or stored_key(url)
    if key:
        return Tracker(url, key)
    if environment.get("WANDB_BASE_URL"):
        raise TrackerRefused(
            f"WANDB_BASE_URL is {url}, but there is no API key for it: set WANDB_API_KEY or run "
            f"`wandb login --host {url}`"
        )
    return None
