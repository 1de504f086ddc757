"""One run of a tracker written again as an offline run: the child of `sashiko push`, in a process of its own.

It reads orders, one JSON object a line, from its standard input and answers each with a line. The run is read with
`wandb.Api()` and written with `wandb.init(mode="offline")`; `wandb sync` sends it later. Knows nothing of the
destination.

What the client decides itself and so does not travel: the start and `_runtime` of a run, the times of its console
lines, its system metrics, and what `define_metric` said. It also takes `_step` and NaN in the summary only from
the rows, so a run whose rows were all sent by an earlier call loses them there.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import wandb

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
COUNTED = ("_step", "_runtime")
"""What the client counts by itself."""
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
    failed = source.state != "finished"
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
        for line in source.console_logs():
            print(line.content, file=sys.stderr if line.level == "error" else sys.stdout)
    finally:
        run.finish(exit_code=int(failed))
    return {
        "id": source.id,
        "state": source.state,
        "rows": rows,
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


def _write_rows(run: "wandb.Run", source: Any, artifacts: Artifacts, order: Mapping[str, Any]) -> int:
    """Log the rows that the destination lacks, and then the summary; how many rows the run has in all.

    Rows of one step become one, as in any run.
    """
    count, last = 0, dict[str, Any]()
    before = None
    for row in source.scan_history(page_size=PAGE, use_cache=False):
        step = row["_step"]
        count += step != before
        before = step
        if count == order["rows_there"] and step != order["step_there"]:
            raise ValueError(f"the destination has other rows of it: row {count} is of step {order['step_there']}")
        if count > order["rows_there"]:
            values = {key: artifacts.renamed(value) for key, value in row.items() if key not in COUNTED}
            run.log(values, step=step)
            last |= values
    if count < order["rows_there"]:
        raise ValueError(f"the destination has {order['rows_there']} rows of it, and here it has {count}")
    summary = artifacts.renamed(source.summary_metrics)
    for key, value in _changed(summary, last):
        run.summary[key] = value
    for key in last.keys() - summary.keys() - {"_timestamp"}:
        del run.summary[key]  # type: ignore[no-untyped-call]
    return count


def _changed(summary: Mapping[str, Any], last: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the summary says beyond the last values of the history; the client counts the other entries itself."""
    for key, value in summary.items():
        same = key in last and repr(last[key]) == repr(value)
        if not same and key not in (*COUNTED, "_wandb"):
            yield key, value


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
