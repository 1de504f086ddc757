"""A run that goes on: resumed, preempted, crashed, made offline, worked on by several processes."""

import re

import pytest

from tests.protocol.conftest import Lab, LabFor, Server, shown, wait_for

pytestmark = pytest.mark.slow

RESUME = """
def begin(name, mode):
    try:
        with wandb.init(id=name, resume=mode) as run:
            run.log({"x": mode})
            return "goes on" if run.resumed else "new"
    except wandb.errors.UsageError:
        return "refused"
def state(name):
    return wandb.Api().run(f"{path}/{name}").state
with wandb.init(id="old", config={"a": 1}) as run:
    run.log({"x": 0})
    run.log({"x": 1})
    run.finish(exit_code=1)
told = [state("old")]
told.append([begin("old", mode) for mode in ("must", "allow", "never")])
told.append([begin(f"new-{mode}", mode) for mode in ("must", "allow", "never")])
run = wandb.init(id="taken")
run.log({"x": 1})
run.mark_preempting()
run.finish(exit_code=1)
told += [state("taken"), begin("taken", "must"), state("taken")]
old = wandb.Api().run(f"{path}/old")
tell([told, old.state, [[row["_step"], row["x"]] for row in old.scan_history()], old.config])
"""


def test_resume_and_preemption(lab: Lab) -> None:
    told, state, rows, config = shown(lab.python(RESUME))
    assert told == [
        "failed", ["goes on", "goes on", "refused"], ["refused", "new", "new"],
        "preempted", "goes on", "finished",
    ]  # fmt: skip
    assert rows == [[0, 0], [1, 1], [2, "must"], [3, "allow"]]
    assert (state, config) == ("finished", {"a": 1})


CRASH = """
import signal
run = wandb.init(resume="auto")
run.log({"x": run.starting_step})
if run.resumed:
    run.finish()
    tell([run.id, [row["x"] for row in wandb.Api().run(f"{path}/{run.id}").scan_history()]])
    sys.exit()
print("ID", run.id, flush=True)
while not wandb.Api().run(f"{path}/{run.id}").lastHistoryStep >= 0:
    time.sleep(0.2)
os.kill(os.getpid(), signal.SIGKILL)
"""
STATE = "tell(wandb.Api().run(f'{path}/{sys.argv[1]}').state)"


def test_a_crashed_run_goes_on_with_auto(impatient: Server, lab_for: LabFor) -> None:
    lab = lab_for(impatient)
    died = lab.start(CRASH)
    output, _ = died.communicate(timeout=60)
    found = re.search(r"ID (\w+)", output)
    assert found, output
    wait_for(lambda: shown(lab.python(STATE, found[1])) == "crashed")
    assert shown(lab.python(CRASH)) == [found[1], [0, 1]]
    assert shown(lab.python(STATE, found[1])) == "finished"


OFFLINE = """
run = wandb.init(id="away", mode="offline", config={"lr": 0.5}, tags=["t"])
for step in range(3):
    run.log({"x": step, "table": wandb.Table(columns=["a"], data=[[step]])})
with open("f.txt", "w") as file:
    file.write("from away")
made = wandb.Artifact("set", "data")
made.add_file("f.txt")
run.log_artifact(made)
run.finish()
print("OFFLINE", run.dir)
"""
READ = """
run = wandb.Api().run(f"{path}/away")
made = wandb.Api().artifact(f"{path}/set:v0")
tell([run.state, run.config, run.tags, [row["x"] for row in run.scan_history()],
    sorted(item.name for item in run.logged_artifacts()), made.files()[0].download("down").read()])
"""


def test_an_offline_run_is_synced(lab: Lab) -> None:
    folder = re.search(r"OFFLINE (\S+)/files", lab.python(OFFLINE))
    assert folder
    synced = lab.wandb("sync", folder[1])
    assert "done" in synced or "Finished" in synced, synced
    tables = [f"run-away-table:v{version}" for version in range(3)]
    wanted = ["finished", {"lr": 0.5}, ["t"], [0, 1, 2], [*tables, "set:v0"], "from away"]
    assert shown(lab.python(READ)) == wanted


SHARED = """
import subprocess
own = wandb.Settings(x_label="main", x_primary=True)
OTHER = '''
import wandb
settings = wandb.Settings(x_label="other", x_primary=False, x_update_finish_state=False)
with wandb.init(id="one", mode="shared", settings=settings) as run:
    run.log({"y": 2})
'''
with wandb.init(id="one", mode="shared", settings=own) as run:
    run.log({"x": 1})
    alone = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    subprocess.run([sys.executable, "-c", OTHER], check=True, env=alone)
    run.log({"x": 3})
told = wandb.Api().run(f"{path}/one")
rows = [{key: value for key, value in row.items() if key in ("x", "y")} for row in told.scan_history()]
tell([told.state, sorted(map(str, rows)), told.summary.get("x"), told.summary.get("y")])
"""


def test_several_processes_share_a_run(lab: Lab) -> None:
    assert shown(lab.python(SHARED)) == ["finished", ["{'x': 1}", "{'x': 3}", "{'y': 2}"], 3, 2]


ANEW = """
def once(n, first=0, **how):
    with wandb.init(id="again", config={"n": n}, **how) as run:
        for index in range(n):
            run.log({"x": first + index})
        run.config["late"] = n
        run.log({"y": 1})
    told = wandb.Api().run(f"{path}/again")
    return [[row["_step"], row.get("x")] for row in told.scan_history()], told.config, told.summary.get("x")
tell([once(4), once(2), once(2, 10, resume="must"), once(1)])
"""


def test_a_run_that_is_initialised_anew_starts_its_history_anew(lab: Lab) -> None:
    first, second, third, fourth = shown(lab.python(ANEW))
    assert first == [[[0, 0], [1, 1], [2, 2], [3, 3], [4, None]], {"n": 4, "late": 4}, 3]
    assert second == [[[0, 0], [1, 1], [2, None]], {"n": 2, "late": 2}, 1]
    assert third == [[[0, 0], [1, 1], [2, None], [3, 10], [4, 11], [5, None]], {"n": 2, "late": 2}, 11]
    assert fourth == [[[0, 0], [1, None]], {"n": 1, "late": 1}, 0]
