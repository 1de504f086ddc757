"""One run of a tracker written again as an offline run: the child of `sashiko push`, in a process of its own.

It reads orders, one JSON object a line, from its standard input and answers each with a line. The run is read with
`wandb.Api()` and written with `wandb.init(mode="offline")`; `wandb sync` sends it later. Knows nothing of the
destination.

What the client decides itself and so does not travel: when the run was made, the times of its console lines, and
its system metrics. Rows are written past `run.log`, with the client's insides: it would count `_runtime` anew. In
the summary the client counts that itself, and writes null for NaN; so the summary is answered too, to be set at
the destination.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any, TextIO

import wandb
from wandb.proto.wandb_internal_pb2 import HistoryRecord, HistoryStep  # type: ignore[attr-defined]

from launch.push.definitions import definitions
from launch.push.replay_artifacts import Artifacts, check

OWN_FILES = ("config.yaml", "output.log", "wandb-summary.json", "wandb-history.jsonl", "wandb-events.jsonl")
"""What the client writes by itself for every run."""
SETTINGS = {
    "console": "wrap",
    "console_multipart": False,
    "disable_git": True,
    "disable_job_creation": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}
COUNTED = ("_step", "_runtime", "_wandb")
"""What the client writes into the summary by itself."""
PAGE = 1_000


def replay(api: wandb.Api, order: Mapping[str, Any]) -> dict[str, Any]:
    """Write the run `order["path"]` below the folder `order["folder"]`; what was written.

    Raises:
        wandb.Error: the run cannot be read.
        ValueError: the destination has other rows of it.
        ArtifactError: a file or an artifact of it does not match its digest.
        OSError: the disk is full.
    """
    folder = Path(order["folder"])
    source = api.run(order["path"])
    source.load_full_data()
    artifacts = Artifacts(source, folder / "artifacts", f"{order['entity']}/{order['project']}")
    files = _fetch_files(source, folder / "files")
    run = wandb.init(
        mode="offline", dir=str(folder), id=source.id, entity=order["entity"], project=order["project"],
        name=source.name, group=source.group, job_type=source.job_type, tags=source.tags, notes=source.notes,
        config=source.config, settings=wandb.Settings(**SETTINGS, sweep_id=order["sweep"]),
    )  # fmt: skip
    try:
        for file in files:
            run.save(str(file), base_path=str(folder / "files"), policy="end")
        artifacts.log(run)
        rows = _write_rows(run, source, artifacts, order)
        for definition in definitions(source.rawconfig.get("_wandb") or {}):
            run.define_metric(**definition)
        summary = artifacts.renamed(source.summary_metrics)
        run.summary.update({key: value for key, value in summary.items() if key not in COUNTED})
        for line in source.console_logs():
            print(line.content, file=sys.stderr if line.level == "error" else sys.stdout)
    finally:
        run.finish(exit_code=int(source.state != "finished"))
    return {
        "rows": rows,
        "summary": summary,
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files) + artifacts.size,
        "artifacts": artifacts.count,
        "collections": artifacts.collections,
    }


def _fetch_files(source: Any, folder: Path) -> list[Path]:
    for file in source.files(per_page=PAGE):
        if file.name not in OWN_FILES:
            file.download(str(folder), replace=True).close()
            check(folder / file.name, file.md5)
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def _write_rows(run: Any, source: Any, artifacts: Artifacts, order: Mapping[str, Any]) -> int:
    """Write the rows; how many there are. Rows of one step become one, as in any run.

    All of them, also where the destination has some: a run that is initialised anew starts its history anew. Nulls
    are no values: the client tells one for each key that a row lacks, where it reads an exported history.
    """
    count = 0
    for step, parts in groupby(rows(source), key=itemgetter("_step")):
        count += 1
        if count == order["rows_there"] and step != order["step_there"]:
            raise ValueError(f"the destination has other rows of it: row {count} is of step {order['step_there']}")
        values = {key: value for part in parts for key, value in part.items() if value is not None}
        run._interface._publish_history(_record(artifacts.renamed(values), step))
    if count < order["rows_there"]:
        raise ValueError(f"the destination has {order['rows_there']} rows of it, and here it has {count}")
    return count


def rows(source: Any) -> Iterator[dict[str, Any]]:
    """Every row, in pages of about `PAGE` of them. The client's own pages are of steps, which may count tokens."""
    pages = -(-source.historyLineCount // PAGE)
    told = source.history(samples=pages + 1, keys=["_step"], pandas=False)
    edges = sorted({int(row["_step"]) for row in told[1:-1]})
    for first, stop in pairwise([0, *edges, source.lastHistoryStep + 1]):
        if first < stop:
            yield from source.scan_history(min_step=first, max_step=stop, page_size=stop - first, use_cache=False)


def _record(values: Mapping[str, Any], step: int) -> HistoryRecord:
    record = HistoryRecord(step=HistoryStep(num=step))
    for key, value in values.items():
        record.item.add(key=key, value_json=json.dumps(value))
    return record


def main() -> None:
    """Answer orders until the input ends. What the client prints is no answer, and goes nowhere."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        _answer_all(answers)


def _answer_all(answers: TextIO) -> None:
    api = wandb.Api()
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = replay(api, order)
        except Exception as error:  # whatever it was, the other runs go on; the command names it
            shutil.rmtree(order["folder"], ignore_errors=True)
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
