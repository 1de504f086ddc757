import json

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from framework.data.vision import load_splits
from framework.errors import ArtifactError
from framework.ssl.probed.artifact import load_probed, make_probe
from framework.ssl.training.artifact import load_encoder
from framework.training.evaluation import evaluate, load_evaluation
from tests.framework.fakes import FakeRun
from tests.framework.ssl.training.conftest import config_of


def test_the_probe_is_the_logistic_regression_of_the_train_split(probe, probed):
    run, config = probe
    splits = load_splits(config.data)
    method = load_encoder(run.require("encoder", config.encoder), config.encoder)
    with torch.no_grad():
        train, test = (method.encode(part.images).double().numpy() for part in (splits.train, splits.test))
    scaler = StandardScaler().fit(train)
    c = 1 / (run.summary["l2"] * len(train))
    judge = LogisticRegression(C=c, tol=1e-8, max_iter=5000).fit(scaler.transform(train), splits.train.labels)
    wanted = torch.from_numpy(judge.predict_proba(scaler.transform(test)))
    with torch.no_grad():
        found = torch.softmax(probed(splits.test.images), dim=1)
    # The probe ends at a gradient of 1e-5, where a small penalty leaves so much; at 1e-8 they are equal to 4e-6.
    torch.testing.assert_close(found.double(), wanted, atol=1e-2, rtol=0)
    assert run.summary["test/accuracy"] == pytest.approx(judge.score(scaler.transform(test), splits.test.labels))


def test_what_is_kept_is_what_the_loaded_classifier_makes_of_every_image(probe, probed):
    run, config = probe
    kept, now = (
        load_evaluation(run.require("probe", config)),
        evaluate(probed, load_splits(config.data), torch.device("cpu")),
    )
    for name in ("latents", "errors", "predictions"):
        for split in ("train", "val", "test"):
            torch.testing.assert_close(getattr(kept, name)[split], getattr(now, name)[split], rtol=1e-4, atol=1e-5)


def test_files_and_description(probe):
    run, config = probe
    folder = run.require("probe", config)
    assert sorted(path.name for path in folder.iterdir()) == [
        "evaluation.safetensors",
        "head.safetensors",
        "probe.json",
    ]
    description = json.loads((folder / "probe.json").read_text())
    assert description["encoder"] == config.encoder.config_id
    assert (description["num_features"], description["num_classes"]) == (16, 10)
    assert description["converged"]


def test_before_its_first_step_the_encoder_gives_other_features(probe, tmp_path):
    run, config = probe
    before = FakeRun(tmp_path / "before", run.store)
    make_probe(config.untrained, before)
    evaluations = [load_evaluation(run.store["probe", one.config_id]) for one in (config, config.untrained)]
    first, second = (evaluation.latents["val"] for evaluation in evaluations)
    assert not torch.allclose(first, second)


def test_other_encoders_and_folders_are_refused(probe, tmp_path):
    run, config = probe
    folder, encoder = run.require("probe", config), run.require("encoder", config.encoder)
    other = config.model_copy(update={"encoder": config_of(seed=5)})
    with pytest.raises(ArtifactError, match="holds a probe of"):
        load_probed(folder, encoder, other)
    with pytest.raises(ArtifactError, match="holds a probe of"):
        load_probed(folder, encoder, config.untrained)
    with pytest.raises(ArtifactError, match="no artifact of a probe"):
        load_probed(tmp_path, encoder, config)
