import dataclasses

import pytest
import torch

from framework.errors import InvalidInput
from framework.ssl import build
from framework.ssl.config import CONFIGS
from framework.ssl.evaluation.evaluations import EVALUATIONS, Options, class_scores
from framework.ssl.parts import Dense
from tests.framework.ssl.evaluation.conftest import digits

TASK = digits()


def dense():
    return build(CONFIGS["vicreg"](), (1, 8, 8), 0, Dense(hidden=(32,)))


@pytest.mark.parametrize("evaluation", EVALUATIONS)
def test_scores_of_each_class_for_each_image(evaluation):
    scores, note = class_scores(evaluation, dense(), TASK, Options(epochs=1))
    assert scores.shape == (360, 10)
    assert note


@pytest.mark.parametrize("evaluation", ["linear", "knn", "finetune"])
def test_no_test_image_reaches_the_fitting(evaluation):
    """Test images and labels that are replaced change nothing that is fitted: other images' scores stay."""
    scores, note = class_scores(evaluation, dense(), TASK, Options(epochs=2))
    test = TASK.test
    replaced = test.images.clone()
    replaced[: len(test) // 2] = torch.rand(len(test) // 2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    other = dataclasses.replace(test, images=replaced, labels=test.labels.flip(0))
    again, note_again = class_scores(evaluation, dense(), dataclasses.replace(TASK, test=other), Options(epochs=2))
    torch.testing.assert_close(again[len(test) // 2 :], scores[len(test) // 2 :], rtol=1e-6, atol=1e-7)
    assert note_again == note


def test_a_name_that_is_none():
    with pytest.raises(InvalidInput, match=r"evaluation: is 'kn'; did you mean `knn`\?"):
        class_scores("kn", dense(), TASK)
