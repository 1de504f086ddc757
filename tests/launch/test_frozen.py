"""Sweeps run the code of the moment at which they were submitted, through the real server and real workers."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.tracking.sweeps import SweepPath
from launch import frozen, slurm
from launch.frozen import Code
from launch.profile import Profile
from tests.lab import ROOT, Lab, quick_sweep
from tests.launch.test_workers import rows, sweep_path

EARLY = """
import os
import time
from pathlib import Path

from framework.config import Config
from framework.manager import Manager


class QuickConfig(Config):
    x: int = 0


class Quick(Manager[QuickConfig]):
    config = QuickConfig

    def run(self, config, run):
        Path("at_work").write_text("")
        while not Path("go").exists():
            time.sleep(0.05)
        import subprocess
        import sys

        from torch.utils.data import DataLoader

        from experiments.quick.late import RESULT, Numbers

        loaded = [int(row) for row in DataLoader(Numbers(), num_workers=1, batch_size=None)]
        words = [sys.executable, "-c", "from experiments.quick.late import RESULT; print(RESULT)"]
        told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        run.summarise({"result": RESULT, "loaded": loaded[0], "told": int(told), "here": str(Path.cwd())})
"""
LATE = """
RESULT = 1


class Numbers:
    def __len__(self):
        return 1

    def __getitem__(self, index):
        from experiments.quick.number import NUMBER

        return NUMBER
"""


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def write(lab: Lab, result: int) -> None:
    """The experiment's code, which says `result`."""
    package = lab.folder / "experiments" / "quick"
    (package / "late.py").write_text(LATE.replace("RESULT = 1", f"RESULT = {result}"))
    (package / "number.py").write_text(f"NUMBER = {result}\n")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A user's repository, with an experiment of theirs."""
    made = Lab.make(tmp_path_factory.mktemp("lab"))
    made.add_experiment("quick", "manager:Quick", {"manager.py": EARLY})
    write(made, 1)
    (made.folder / ".gitignore").write_text("cache/\nwandb*/\n__pycache__/\nat_work\ngo\n*.yaml\n")
    git(made.folder, "init", "--quiet", "--initial-branch=main")
    git(made.folder, "add", "--all")
    git(made.folder, "commit", "--quiet", "--message=first")
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_code_at_submission_runs_and_live_code_where_it_is_asked_for(lab: Lab):
    file = quick_sweep(lab, "frozen", "{x: {values: [0, 1, 2]}}")
    go, at_work = lab.folder / "go", lab.folder / "at_work"
    write(lab, 2)  # uncommitted
    first = lab.start("launch.cli", "sweep", str(file), "--workers", "2")
    while not at_work.exists():
        assert first.poll() is None, first.communicate()
    write(lab, 3)  # while they run: what they have yet to import says another thing now
    go.write_text("")
    out, err = first.communicate(timeout=200)
    assert first.returncode == 0, out + err
    assert results(lab, out) == [(2, 2, 2)] * 3
    assert " and 2 changed files)" in line(out)

    done = lab.sashiko("agents", sweep_path(out), "--workers", "1")
    assert line(done.stdout) == f"code: {line(out).split()[1]}, as it was when {sweep_path(out)} was submitted"

    done = lab.sashiko("sweep", str(file), "--new")
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(lab, done.stdout) == [(3, 3, 3)] * 3
    assert line(done.stdout) != line(out)
    facts = records(lab, done.stdout)
    assert facts["tree"][:10] == line(done.stdout).split()[1]
    assert (facts["dirty"], facts["commit"]) == (True, git(lab.folder, "rev-parse", "HEAD").strip())
    assert facts["patch_bytes"] == len(git(lab.folder, "diff", "HEAD", "--binary").encode())

    go.unlink()
    at_work.unlink()
    live = lab.start("launch.cli", "sweep", str(file), "--new", "--live")
    while not at_work.exists():
        assert live.poll() is None, live.communicate()
    write(lab, 4)
    go.write_text("")
    out, err = live.communicate(timeout=200)
    assert live.returncode == 0, out + err
    assert line(out) == "code: live, it may change while the sweep runs"
    assert results(lab, out) == [(4, 4, 4)] * 3
    assert "tree" not in records(lab, out)
    assert git(lab.folder, "status", "--porcelain", "--", "experiments").split() == [
        "M", "experiments/quick/late.py", "M", "experiments/quick/number.py",
    ]  # fmt: skip


def results(lab: Lab, said: str) -> list[tuple[int, int, int]]:
    """What each run of a sweep recorded: by itself, by a worker that loads data, by a process it started."""
    summaries = [run["summary"] for run in rows(lab, sweep_path(said))]
    assert {summary["here"] for summary in summaries} == {str(lab.folder)}  # type: ignore[index]
    return [(s["result"], s["loaded"], s["told"]) for s in summaries]  # type: ignore[index]


def records(lab: Lab, said: str) -> dict[str, object]:
    (first, *others) = [
        run["config"]["sashiko"]["provenance"]["git"]  # type: ignore[index]
        for run in rows(lab, sweep_path(said))
    ]
    assert all(other == first for other in others)
    return first


def line(said: str) -> str:
    return next(text for text in said.splitlines() if text.startswith("code: "))


# --- without workers ----------------------------------------------------------------------------------------

PATH = SweepPath("local", "lab", "abc12345")
CHOOSE = """
import sys
from pathlib import Path
from framework.errors import SashikoError
from framework.tracking.sweeps import SweepPath
from launch import frozen
path = SweepPath("local", "lab", "abc12345")
try:
    code, told = eval(sys.argv[1])
except SashikoError as error:
    print(error)
    sys.exit(error.exit_code)
print(told)
print(code and code.folder)
if code is not None and "enter" in sys.argv:
    import experiments, framework.seeds
    code.enter()
    import experiments, framework.seeds, os
    print(Path(experiments.__file__).parent, os.environ["PYTHONPATH"], Path(framework.seeds.__file__).parent)
if code is not None and "remember" in sys.argv:
    frozen.remember(Path("server"), path, code)
"""
SUBMIT = "frozen.for_sweep(Path('server'), live=False)"
WORK = "frozen.of_sweep(Path('server'), path, live=False)"


@pytest.fixture
def mine(tmp_path: Path) -> Lab:
    """A repository whose modules lie in its folder `src`."""
    made = Lab.make(tmp_path / "src")
    made.folder = tmp_path
    (tmp_path / ".gitignore").write_text("server/\nvenv/\n__pycache__/\n")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message=first")
    return made


def choose(lab: Lab, what: str, *words: str, code: int = 0, **extra: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", CHOOSE, what, *words], cwd=lab.folder, env=lab.environment | extra, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_modules_are_found_where_they_lay_in_the_tree(mine: Lab):
    told, folder, entered = choose(mine, SUBMIT, "enter")
    commit = git(mine.folder, "rev-parse", "--short=7", "HEAD").strip()
    live = f"framework and launch run live, from {ROOT}"
    assert told == f"code: {Path(folder).name[:10]} (commit {commit}); {live}"
    package, path, framework = entered.split()
    assert package == f"{folder}/src/experiments"
    assert path.split(":")[0] == f"{folder}/src"
    assert str(mine.folder / "src") not in path.split(":")
    assert framework.startswith(path.split(":")[-1]), "the framework lies elsewhere and is not frozen"


def test_a_submission_is_told_in_a_line(mine: Lab):
    package = mine.folder / "src" / "experiments"
    (package / "__init__.py").write_text((package / "__init__.py").read_text() + "\n")
    for name in ("a", "b"):
        (package / f"{name}.py").write_text("")
    for name in ("1", "2", "3", "4\n"):
        (package / f"link{name}").symlink_to("/nowhere")
    (told, _) = choose(mine, SUBMIT)
    reason = "(a link out of the tree)"
    links = ", ".join(f"src/experiments/link{name} {reason}" for name in "123")
    assert f" and 1 changed, 2 new files; left out: {links} and 1 other (all: " in told
    listed = Path(told.split("(all: ")[1].split(")")[0])
    assert listed.read_text().splitlines()[3] == f"'src/experiments/link4\\n' {reason}".replace("'", "")


def test_agents_take_the_code_of_the_last_submission(mine: Lab):
    package = mine.folder / "src" / "experiments"
    told, now = choose(mine, WORK)
    assert "(commit " in told, "it was never submitted from here"
    _, first = choose(mine, SUBMIT, "remember")
    (package / "more.py").write_text("")
    told, folder, entered = choose(mine, WORK, "enter")
    assert (folder, entered.split()[0]) == (first, f"{first}/src/experiments")
    assert told == f"code: {Path(first).name[:10]}, as it was when local/lab/abc12345 was submitted"
    assert now == first
    _, second = choose(mine, SUBMIT, "remember")
    assert choose(mine, WORK)[1] == second != first
    assert choose(mine, WORK.replace("False", "True")) == [
        "code: live, it may change while the sweep runs", "None",
    ]  # fmt: skip
    (Path(second) / "src" / "experiments" / "more.py").unlink()
    (told,) = choose(mine, WORK, code=2)
    assert (
        f"{second}, was changed; sashiko sweep FILE freezes the code of today, --live runs it as it lies" in told
    )
    Path(second).rename(mine.folder / "server" / "away")
    assert f"{second}, is gone" in choose(mine, WORK, code=2)[0]
    note = mine.folder / "server" / "code" / "sweeps" / "local" / "lab" / "abc12345.json"
    note.write_text("{}")
    assert "cannot be read" in choose(mine, WORK, code=2)[0]


def test_code_in_no_repository_and_code_that_git_ignores_are_live_and_said_to_be(mine: Lab, tmp_path: Path):
    (tmp_path / "venv").mkdir()
    package = tmp_path / "src" / "experiments"
    installed = package.rename(tmp_path / "venv" / "experiments")
    told = choose(mine, SUBMIT, PYTHONPATH=f"{tmp_path / 'venv'}:{mine.environment['PYTHONPATH']}")
    assert told == [f"code: live, git in {tmp_path} tracks nothing of {installed}", "None"]
    assert not (tmp_path / "server").exists()
    git(tmp_path, "rm", "-r", "--quiet", "--cached", ".")
    told = choose(mine, SUBMIT, PYTHONPATH=f"{tmp_path / 'venv'}:{mine.environment['PYTHONPATH']}")
    assert told == [f"code: live, {installed} is ignored by git", "None"]
    (tmp_path / ".git").rename(tmp_path / "venv" / "git")
    told = choose(mine, SUBMIT, PYTHONPATH=f"{tmp_path / 'venv'}:{mine.environment['PYTHONPATH']}")
    assert told == [f"code: live, {installed} is in no git repository", "None"]


def test_a_repository_that_is_the_package_itself_is_live(mine: Lab, tmp_path: Path):
    package = tmp_path / "src" / "experiments"
    (tmp_path / ".git").rename(package / ".git")
    told = choose(mine, SUBMIT)
    assert told == [f"code: live, the repository {package} is the package itself, and not around it", "None"]


def test_a_process_that_was_started_with_frozen_code_runs_no_other(mine: Lab):
    _, folder, entered = choose(mine, SUBMIT, "enter")
    with_code = {frozen.VARIABLE: folder, "PYTHONPATH": entered.split()[1], "PYTHONSAFEPATH": "1"}
    assert choose(mine, SUBMIT, **with_code) == [f"code: {Path(folder).name[:10]}", folder]
    assert choose(mine, WORK, "enter", **with_code)[2] == entered
    (told,) = choose(mine, WORK, code=2, **{frozen.VARIABLE: folder})
    assert f"SASHIKO_CODE is {folder}, but the experiments are imported from {mine.folder}" in told
    (Path(folder) / "src" / "added.py").write_text("")
    assert "was changed" in choose(mine, WORK, code=2, **with_code)[0]


def test_code_that_is_frozen_is_no_other_for_stale_artifacts(mine: Lab):
    words = "import sys; from framework import sources; import experiments.stitching.manager as m; "
    words += "names = sorted(n for n in sys.modules if n.startswith(('experiments', 'framework'))); "
    words += "print([(n, sources.module_digest(n)) for n in names])"
    _, folder = choose(mine, SUBMIT)
    paths = (mine.environment["PYTHONPATH"], f"{folder}/src:{mine.environment['PYTHONPATH']}")
    command = [sys.executable, "-c", words]
    live, then = (
        subprocess.run(
            command, cwd="/", env=mine.environment | {"PYTHONPATH": path}, capture_output=True, check=True
        )
        for path in paths
    )
    assert live.stdout == then.stdout
    assert b"experiments.stitching.config" in live.stdout


def test_what_a_job_is_told(tmp_path: Path):
    code = Code(tmp_path / "code" / "it's", tmp_path, (".", "src"))
    request = slurm.Request(PATH, Profile(setup=("export PYTHONPATH=/other",)), 1, tmp_path, code)
    assert "--live" not in request.words
    script = "\n".join(request.setup[1:]) + '\nprintf \'%s\\n\' "$PYTHONPATH" "$PYTHONSAFEPATH" "$SASHIKO_CODE"'
    told = subprocess.run(["bash", "-c", script], env={}, text=True, capture_output=True, check=True).stdout
    folder = tmp_path / "code" / "it's"
    assert told.splitlines() == [f"{folder}:{folder}/src:/other", "1", str(folder)]
    live = slurm.Request(PATH, Profile(), 1, tmp_path)
    assert live.words[-1] == "--live"
    assert not any("PYTHONPATH" in line for line in live.setup)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, mine: Lab):
    (tmp_path / "server").write_text("a file, not a folder")
    (told,) = choose(mine, SUBMIT, code=2)
    assert "code cannot be frozen in " in told
    assert "--live freezes nothing" in told
