"""The stitching sweep through real workers: numbers do not depend on how many there are."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.lab import Lab

pytestmark = pytest.mark.slow

SWEEP = """
name: small
method: grid
command: ["${env}", "python", "-m", "experiments", "stitching"]
parameters:
  source: {value: {model: {kind: mlp_autoencoder, latent_dim: 4}, max_epochs: 2}}
  target: {values: [{model: {kind: mlp_autoencoder, latent_dim: 4}, max_epochs: 2, seed: 1},
                    {model: {kind: pcktae, latent_dim: 5}, max_epochs: 2}]}
  mapping: {values: [{kind: linear, ridges: [0, 1]}, {kind: affine, ridges: [0, 1]}]}
  num_samples: {value: [20, 50]}
"""
READ = """
import json, sys
from experiments import manager_of
from framework.tracking.results import sweep_results
results = sweep_results(sys.argv[1], manager_of("stitching").config)
table = results.tables["results"].drop(columns="run_id").sort_values(["name"])
by_class = results.tables["results_class"]
print(json.dumps(dict(rows=json.loads(table.to_json(orient="records", double_precision=15)),
                      classes=sorted(by_class["class"].unique().tolist()), n=len(by_class))))
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab.make(tmp_path_factory.mktemp("stitching"))
    yield made
    made.close()


def worked(lab: Lab, project: str, workers: str) -> dict[str, list[dict[str, object]]]:
    file = lab.folder / f"{project}.yaml"
    file.write_text(f"project: {project}\n{SWEEP}")
    done = lab.sashiko("sweep", str(file), "--workers", workers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 runs finished, 0 failed, 3 required artifacts made" in done.stdout
    found = re.search(r"sweep (\S+/\S+/\w+)", done.stdout)
    assert found
    exports = dict(re.findall(r"export (\w+)=(\S+)", lab.sashiko("env").stdout))
    read = subprocess.run(
        [sys.executable, "-c", READ, found[1]], cwd=lab.folder, capture_output=True, text=True, check=False,
        env=lab.environment | exports | {"WANDB_SILENT": "true"}, timeout=120,
    )  # fmt: skip
    assert read.returncode == 0, read.stderr
    result: dict[str, list[dict[str, object]]] = json.loads(read.stdout.splitlines()[-1])
    return result


def test_one_and_four_workers_give_equal_tables(lab: Lab):
    one, four = worked(lab, "one", "1"), worked(lab, "four", "4")
    assert len(one["rows"]) == 4 * 4
    assert one["rows"] == four["rows"]
    assert one["classes"] == list(range(10))
    assert one["n"] == 4 * 4 * 10
    for row in one["rows"]:
        assert row["mse_stitched"] > 0  # type: ignore[operator]
        assert row["name"] == (
            f"{row['source']}>{row['target']}>{row['mapping']}_{row['num_samples']}_{row['ridge']:g}_equally"
        )
