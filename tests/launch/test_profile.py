"""Profiles: what is taken, what is refused and with which words, and that those of the project are right."""

from pathlib import Path

import pytest

from framework.errors import ConfigError
from launch.profile import FOLDER, OWN, Profile, load, names
from launch.team import Team


def problems(path: Path, text: str) -> list[str]:
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(str(path))
    return [str(problem) for problem in caught.value.problems]


def test_the_projects_own_profiles_load_by_name_and_by_file():
    assert names() == ["cpu", "gpu"]
    for name in names():
        assert load(name) == load(str(FOLDER / f"{name}.toml"))
    assert load("gpu").gpus == 1


def test_a_profile_that_is_not_there_is_told_with_the_nearest(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for text, says in (("gpus", "did you mean `gpu`?"), ("x", "known: cpu, gpu"), ("x.toml", "known: cpu, gpu")):
        with pytest.raises(ConfigError) as caught:
            load(text)
        assert str(caught.value.problems[0]).startswith(f"--slurm: is {text!r}: neither a file nor a profile in")
        assert says in str(caught.value)


def test_all_problems_of_a_file_are_told_together(tmp_path):
    file = tmp_path / "p.toml"
    told = problems(file, 'time_minutes = 0\nmemory = 3\ngpus = "two"\npartition = "a b"\nsetup = "module"\n')
    assert {text.split(":")[0] for text in told} == {"memory", "partition", "time_minutes", "gpus", "setup"}
    assert any("did you mean `memory_gb`?" in text for text in told)
    assert any("time_minutes: is 0 (int); allowed: greater than or equal to 2" in text for text in told)


@pytest.mark.parametrize("name", OWN)
def test_options_that_have_a_field_or_are_set_for_every_job_are_no_further_options(tmp_path, name):
    for spelt in (name, name.replace("-", "_"), f"--{name}"):
        (told,) = problems(tmp_path / "p.toml", f'[sbatch]\n"{spelt}" = "x"\n')
        field = OWN[name]
        assert told.startswith(f"sbatch.{spelt}: ")
        assert (f"has a field of its own: {field}" if field else "is set for every job") in told
        assert not field or field in Profile.model_fields


def test_what_is_no_option_is_refused_in_words(tmp_path):
    told = problems(tmp_path / "p.toml", '[sbatch]\n"mail type" = "END"\n"-x y" = 1\n"comment2" = "a\\nb"\n')
    assert [text.rpartition(" (")[0] for text in told] == [
        "sbatch.mail type: is no name of an option; allowed: one word, as in mail-type",
        "sbatch.-x y: is no name of an option; allowed: one word, as in mail-type",
        "sbatch.comment2: is 'a\\nb'; allowed: one line",
    ]


def test_a_warning_must_leave_the_job_some_time(tmp_path):
    (told,) = problems(tmp_path / "p.toml", "time_minutes = 5\nwarning_seconds = 200\n")
    assert "is 200, more than half of the job's 300 seconds" in told
    (tmp_path / "p.toml").write_text("time_minutes = 5\nwarning_seconds = 150\n")
    assert load(str(tmp_path / "p.toml")).warning_seconds == 150


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gpus_per_run = 2", ["gpus_per_run: is 2, and gpus is 0: a job has no more"]),
        ("gpus = 3\ngpus_per_run = 2", ["gpus_per_run: is 2, and of 3 gpus 1 would be idle"]),
        (
            "gpus = 4\ngpus_per_run = 2\nnodes_per_run = 2\nworkers = 2",
            [
                "nodes_per_run: is 2: such a run has all of the job's gpus, 4 on each node; set gpus_per_run to "
                "that",
                "workers: is 2; allowed: 1, because a run of several GPUs or nodes has them to itself",
            ],
        ),
    ],
)
def test_runs_that_would_leave_gpus_idle_or_share_them_are_told(tmp_path, text, says):
    told = problems(tmp_path / "p.toml", text)
    assert [one.removesuffix(f" ({tmp_path / 'p.toml'})") for one in told] == says


def test_the_processes_of_a_run(tmp_path):
    assert load("cpu").team.size == load("gpu").team.size == 1
    (tmp_path / "p.toml").write_text("gpus = 4\ngpus_per_run = 4\nnodes_per_run = 2\n")
    assert load(str(tmp_path / "p.toml")).team == Team(2, 4)
    (tmp_path / "p.toml").write_text("nodes_per_run = 3\n")
    assert load(str(tmp_path / "p.toml")).team == Team(3, 1)
    (tmp_path / "p.toml").write_text("gpus = 4\ngpus_per_run = 2\n")
    assert load(str(tmp_path / "p.toml")).team == Team(1, 2)
