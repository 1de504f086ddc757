"""The real client: a run forked from another one, and a run taken back to an earlier step."""

from tests.protocol.conftest import Lab, shown

BRANCH = """
import json, sys, wandb
project = sys.argv[1]
with wandb.init(project=project, id="parent", config={"lr": 1}) as run:
    for step in range(5):
        run.log({"loss": 5 - step})
with wandb.init(project=project, id="child", fork_from="parent?_step=2") as run:
    for step in range(2):
        run.log({"loss": 0.1 * (step + 1)})
forked = wandb.Api().run(f"{project}/child")
with wandb.init(project=project, id="parent", resume_from="parent?_step=1") as run:
    run.log({"loss": 0.5})
rewound = wandb.Api().run(f"{project}/parent")
rows = [[[row["_step"], row["loss"]] for row in run.scan_history()] for run in (forked, rewound)]
print("RESULT " + json.dumps([*rows, forked.lastHistoryStep, forked.summary["loss"], rewound.config["lr"]]))
"""


def test_forks_and_rewinds(lab: Lab) -> None:
    forked, rewound, last, loss, rate = shown(lab.python(BRANCH, lab.project))
    assert forked == [[0, 5], [1, 4], [2, 3], [3, 0.1], [4, 0.2]]
    assert rewound == [[0, 5], [1, 4], [2, 0.5]]
    assert (last, loss, rate) == (4, 0.2, 1)
