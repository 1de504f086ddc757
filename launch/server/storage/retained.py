"""What a policy of retention asks: which runs have been silent for how long, and what refers to what they made.

Only reads, and has no table of its own. What goes and what stays is decided in `retention`.
"""

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import NamedTuple

from launch.server.wire import gid_hex

OWN_ALIAS = re.compile(r"latest|v\d+")
"""Aliases that every version has; any other one was given by somebody."""


NOBODY = -1


class Amount(NamedTuple):
    """What goes with a run: bytes of its rows, bytes of all else, and versions that it made."""

    rows: int
    bytes: int
    versions: int


class Retained:
    """Storage seen by what may go."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def silent_since(self, moment: float, run_id: int | None = None) -> Iterator[sqlite3.Row]:
        """The runs, or the one, without a sign of life since a moment."""
        only = "" if run_id is None else "runs.id = :run AND"
        yield from self._db.execute(
            "SELECT runs.id, runs.state, runs.tags, runs.row_bytes, sweeps.state AS sweep_state,"
            " users.name || '/' || projects.name AS project FROM runs"
            " JOIN projects ON projects.id = runs.project_id JOIN users ON users.id = projects.user_id"
            f" LEFT JOIN sweeps ON sweeps.id = runs.sweep_id WHERE {only} runs.heartbeat_at < :moment"
            " ORDER BY runs.id",
            {"moment": moment, "run": run_id},
        )

    def held(self, makers: Collection[int], going: Collection[int]) -> dict[int, str]:
        """Those of some runs that cannot go, by what they made, and why. `going`: users that are to go as well."""
        held: dict[int, str] = {}
        users: dict[int, set[int]] = defaultdict(set)
        for row in self._db.execute(
            "SELECT made.run_id AS maker, artifacts.id, artifacts.client_id,"
            " (SELECT GROUP_CONCAT(alias, char(10)) FROM aliases WHERE artifact_id = artifacts.id) AS aliases,"
            " (SELECT COUNT(*) FROM memberships WHERE artifact_id = artifacts.id) AS places"
            " FROM lineage AS made JOIN artifacts ON artifacts.id = made.artifact_id"
            " WHERE made.role = 'made' AND artifacts.state = 'COMMITTED'"
            " AND made.run_id IN (SELECT value FROM json_each(?))",
            (json.dumps(sorted(makers)),),
        ).fetchall():
            if not all(OWN_ALIAS.fullmatch(alias) for alias in (row["aliases"] or "").splitlines()):
                held[row["maker"]] = "a version that it made has an alias of its own"
            elif row["places"] > 1:
                held[row["maker"]] = "a version that it made is linked elsewhere"
            else:
                users[row["maker"]] |= self._users(row["id"], row["client_id"]) - {row["maker"]}
        stays = set(held)
        while True:
            more = {
                maker
                for maker, others in users.items()
                if maker not in stays and any(other not in going or other in stays for other in others)
            }
            if not more:
                return held
            stays |= more
            held |= dict.fromkeys(more, "a version that it made is used by a run that stays")

    def _users(self, artifact_id: int, client_id: str | None) -> set[int]:
        """The runs that used a version, and those that made a version that refers to files of it.

        `NOBODY` stands for a version that refers to it and whose maker is gone: it stays, whatever goes.
        """
        rows = self._db.execute(
            "SELECT run_id FROM lineage WHERE artifact_id = ? AND role = 'used'", (artifact_id,)
        )
        found = {row["run_id"] for row in rows}
        places = [f"wandb-artifact://{gid_hex('Artifact', artifact_id)}/"]
        if client_id is not None:
            places.append(f"wandb-client-artifact://{client_id}:")
        for place in places:
            rows = self._db.execute(
                "SELECT (SELECT run_id FROM lineage WHERE artifact_id = artifacts.id AND role = 'made') AS maker"
                " FROM entries JOIN artifacts ON artifacts.id = entries.artifact_id"
                " WHERE ref >= ? AND ref < ? AND artifacts.state <> 'DELETED' AND artifacts.id <> ?",
                (place, place[:-1] + chr(ord(place[-1]) + 1), artifact_id),
            )
            found |= {NOBODY if row["maker"] is None else row["maker"] for row in rows}
        return found

    def amount(self, run_id: int) -> Amount:
        """What goes with a run."""
        rows, texts = self._db.execute("SELECT row_bytes, text_bytes FROM runs WHERE id = ?", (run_id,)).fetchone()
        files = self._db.execute("SELECT TOTAL(size) FROM run_files WHERE run_id = ?", (run_id,)).fetchone()[0]
        versions, kept = self._db.execute(
            "SELECT COUNT(*), TOTAL(kept) FROM artifacts WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(self.versions(run_id)),),
        ).fetchone()
        return Amount(rows, int(texts + files + kept), versions)

    def versions(self, run_id: int) -> list[int]:
        """The versions that this run made, and no other one."""
        rows = self._db.execute(
            "SELECT artifact_id FROM lineage JOIN artifacts ON artifacts.id = artifact_id"
            " WHERE lineage.run_id = ?1 AND role = 'made' AND state = 'COMMITTED' AND NOT EXISTS"
            "  (SELECT 1 FROM lineage AS others WHERE others.artifact_id = artifacts.id AND others.role = 'made'"
            "   AND others.run_id <> ?1)",
            (run_id,),
        ).fetchall()
        return [row["artifact_id"] for row in rows]
