import pytest

from experiments.communication.config import CommunicationConfig, group_of, setting_of
from experiments.communication.manager import CommunicationManager
from framework.errors import ArtifactError, ConfigError
from framework.training.config import TrainingConfig
from tests.experiments.communication.conftest import classifier, encoders, pair, point, probed

MANAGER = CommunicationManager()


def problems(subject=None, **changes):
    with pytest.raises(ConfigError) as caught:
        point(subject, **changes)
    return [str(problem) for problem in caught.value.problems]


def test_the_defaults_are_two_seeds_of_one_classifier_and_of_one_encoder():
    subject = CommunicationConfig().subject
    assert (subject.kind, subject.first.seed, subject.second.seed) == ("classifiers", 0, 1)
    subject = CommunicationConfig.parse({"subject": "encoders"}).subject
    assert (subject.first.encoder.seed, subject.second.encoder.seed) == (0, 1)


@pytest.mark.parametrize(
    ("subject", "changes", "expected"),
    [
        (pair(3, 3), {}, ["subject.second.seed: is 3, and so is that of first: they are one network, not two"]),
        (
            encoders(2, 2),
            {},
            ["subject.second.encoder.seed: is 2, and so is that of first: they are one network, not two"],
        ),
        (
            pair(second=1) | {"second": classifier(1, model={"kind": "vgg"})},
            {},
            ["subject.second: differs from first in more than its seed, in model (kind='mlp'"],
        ),
        (
            pair() | {"second": classifier(1, max_epochs=4)},
            {},
            ["subject.second: differs from first in more than its seed, in max_epochs (3 and 4)"],
        ),
        (
            encoders() | {"second": probed(1, batch_size=8) | {"weights": "last"}},
            {},
            [
                "subject.second.weights: is last, and first.weights is best",
                "subject.second.encoder: differs from first in more than its seed, in batch_size",
            ],
        ),
        (
            pair(of={"model": {"kind": "vae", "output": "linear"}}),
            {},
            [f"subject.{role}.model.kind: is vae, which is no classifier" for role in ("first", "second")],
        ),
        (
            pair(alignments=[{"kind": "average"}, {"kind": "ot"}, {"kind": "ot", "solver": "sinkhorn"}]),
            {},
            ["subject.alignments: names ot twice"],
        ),
        (
            pair(num_inputs=400),
            {},
            ["subject.alignments.2.num_samples: is 1000, and alignments see 400 images"],
        ),
        (pair(curve_places=2), {}, ["subject.curve_places: is 2 (int); allowed: greater than or equal to 3"]),
        (pair(), {"num_samples": 16}, ["num_samples: is 16, and the widest layer has 16 units: with no more"]),
        (encoders(), {"num_samples": 9}, ["num_samples: is 9, and the widest layer has 16 units"]),
        (pair(), {"num_samples": 1294}, ["num_samples: is 1294, and the train split of digits has 1293 images"]),
        (
            pair(),
            {"mappings": [{"kind": "affine"}, {"kind": "linear"}, {"kind": "affine", "ridges": [0]}]},
            ["mappings: names affine twice"],
        ),
    ],
)
def test_what_is_no_pair_or_cannot_be_mapped_is_told_by_key_and_value(subject, changes, expected):
    found = problems(subject, **changes)
    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start), text


def test_layers_that_are_not_there_are_told_with_those_that_are_before_anything_starts():
    with pytest.raises(ConfigError) as caught:
        MANAGER.check(point(pair(layers=["encoder.2", "encoder.9", "middle"])))
    texts = [str(problem) for problem in caught.value.problems]
    assert [text.split(";")[0] for text in texts] == [
        "subject.layers: is 'encoder.9'",
        "subject.layers: is 'middle'",
    ]
    assert all("a cut is possible behind encoder.0, encoder.1, encoder.2" in text for text in texts)
    MANAGER.check(point(pair(layers=["encoder.4"])))
    MANAGER.check(point())
    MANAGER.check(point(encoders()))


def test_a_run_requires_both_networks_and_what_they_begin_with():
    assert [(kind, config.seed) for kind, config in MANAGER.requires("run", point())] == [
        ("model", 0),
        ("model", 1),
    ]
    kinds = [kind for kind, _ in MANAGER.requires("run", point(encoders()))]
    assert kinds == ["encoder", "encoder", "probe", "probe"]
    trunk = classifier(9)
    started = point(pair(of={"start": {"kind": "from_other", "model": trunk}}))
    (needed,) = MANAGER.requires("model", started.subject.first)
    assert needed.config == TrainingConfig.parse(trunk)
    (needed,) = MANAGER.requires("probe", point(encoders()).subject.first)
    assert needed.kind == "encoder"
    with pytest.raises(ArtifactError, match="communication makes models, encoders and probes"):
        MANAGER.make("latents", TrainingConfig(), None)


def test_pairs_of_one_setting_are_one_group_whatever_their_seeds():
    assert group_of(point()) == group_of(point(pair(4, 7)))
    assert group_of(point(encoders())) == group_of(point(encoders(4, 7)))
    others = [
        point(pair(of={"max_epochs": 4})),
        point(pair(of={"start": {"kind": "from_other"} | {"model": classifier(9)}})),
    ]
    assert len({group_of(one) for one in (point(), *others)}) == 3


def test_a_setting_is_told_in_words():
    assert setting_of(point()) == {
        "dataset": "digits", "model": "16-12", "epochs": "3", "shared_epochs": "none",
    }  # fmt: skip
    start = {"kind": "from_other", "model": classifier(9, checkpoint_every=1), "which": "epoch_0002"}
    told = setting_of(point(pair(of={"start": start})))
    assert (told["epochs"], told["shared_epochs"]) == ("5", "2")
    told = setting_of(point(pair(of={"start": {**start, "which": "initial"}})))
    assert (told["epochs"], told["shared_epochs"]) == ("3", "0")
    told = setting_of(point(pair(of={"start": {**start, "which": "best"}})))
    assert (told["epochs"], told["shared_epochs"]) == ("3 more", "best")
    told = setting_of(
        point(
            pair(
                of={"model": {"kind": "vgg", "width": 0.125}, "data": {"train_fraction": 0.5}},
                layers=["head"],
                alignments=[{"kind": "average"}],
            ),
            num_samples=600,
        )
    )
    assert (told["model"], told["dataset"]) == ("vgg 11 0.125", "digits (646)")
    assert setting_of(point(encoders()))["model"] == "simclr"
