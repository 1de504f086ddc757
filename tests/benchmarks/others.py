"""The same trials under Ray Tune and under hydra's joblib launcher: what `bench_trials` measures against.

    python -m tests.benchmarks.others ray CONFIG MODELS COUNT
    python -m tests.benchmarks.others hydra CONFIG MODELS COUNT
    python -m tests.benchmarks.others hydra_bare CONFIG MODELS COUNT

It runs in an environment of its own, which has them. A trial is a stitching run on models that are made already.
Under hydra its summary, tables, picture and mapping go to W&B, as they do under Sashiko; of `hydra_bare` and of
Ray, whose callback logs what a trial reports, the summary alone.
"""

import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

PROCESSES = 2
PROJECT = "others"


def trial(config: dict[str, Any], models: dict[str, str], logged: Any = None) -> dict[str, float]:
    """One stitching run; its summary. `models` are the folders of their artifacts by config id.

    `logged` is a run of W&B that gets what else a run of Sashiko logs.
    """
    from experiments.stitching.config import StitchingConfig
    from experiments.stitching.study import stitching_study
    from tests.framework.fakes import FakeRun

    with tempfile.TemporaryDirectory() as folder:
        run = FakeRun(Path(folder) / "run", {("model", name): Path(place) for name, place in models.items()})
        stitching_study(StitchingConfig.parse(config), run)
        if logged is not None:
            log_rest(run, logged)
        return {name: value for name, value in run.summary.items() if isinstance(value, int | float)}


def log_rest(run: Any, logged: Any) -> None:
    """Tables, pictures and artifacts of a trial, as people log them with the client."""
    import wandb

    for name, frame in run.tables.items():
        logged.log({name: wandb.Table(dataframe=frame)})
    for name, pictures in run.images.items():
        logged.log({name: [wandb.Image(image, caption=caption) for image, caption in pictures]})
    for (kind, name), folder in run.store.items():
        if kind == "model":
            logged.use_artifact(f"ours/model-{name}:latest")
            continue
        artifact = wandb.Artifact(f"{kind}-{name}", kind)
        artifact.add_dir(str(folder))
        logged.log_artifact(artifact).wait()


def with_ray(config: dict[str, Any], models: dict[str, str], count: int) -> None:
    """Ray Tune, a processor a trial, with its own callback for W&B."""
    import ray
    from ray import tune
    from ray.air.integrations.wandb import WandbLoggerCallback

    def train(point: dict[str, Any]) -> None:
        tune.report(trial({**config, "sampling_seed": point["sampling_seed"]}, models))

    ray.init(num_cpus=PROCESSES, include_dashboard=False, log_to_driver=False)
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(train, {"cpu": 1}),
            param_space={"sampling_seed": tune.grid_search(list(range(count)))},
            run_config=tune.RunConfig(
                storage_path=folder, verbose=0, callbacks=[WandbLoggerCallback(project=PROJECT)]
            ),
        )
        results = tuner.fit()
    print(json.dumps({"ended": sum(result.error is None for result in results)}))


def with_hydra(config: dict[str, Any], models: dict[str, str], count: int, *, bare: bool = False) -> None:
    """hydra's joblib launcher, so many processes, a run of W&B in each trial."""
    import hydra
    from hydra.core.config_store import ConfigStore

    def app(given: Any) -> None:
        import wandb

        run = wandb.init(project=PROJECT, config={"sampling_seed": given.sampling_seed}, dir=os.environ["TMPDIR"])
        point = {**config, "sampling_seed": int(given.sampling_seed)}
        run.log(trial(point, models, None if bare else run))
        run.finish()

    ConfigStore.instance().store("point", {"sampling_seed": 0})
    seeds = ",".join(map(str, range(count)))
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = [
            "others", "-m", "hydra/launcher=joblib", f"hydra.launcher.n_jobs={PROCESSES}",
            f"hydra.sweep.dir={folder}", "hydra/job_logging=none", "hydra/hydra_logging=none",
            f"sampling_seed={seeds}",
        ]  # fmt: skip
        hydra.main(version_base=None, config_name="point")(app)()
    print(json.dumps({"ended": count}))


if __name__ == "__main__":
    which, config_file, models_file, number = sys.argv[1:]
    work = {"ray": with_ray, "hydra": with_hydra, "hydra_bare": partial(with_hydra, bare=True)}[which]
    work(json.loads(Path(config_file).read_text()), json.loads(Path(models_file).read_text()), int(number))
