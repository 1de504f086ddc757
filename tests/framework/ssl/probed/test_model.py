import pytest
import torch

from framework.ssl.evaluation.features import Features
from framework.ssl.evaluation.probe import fit_probe
from framework.ssl.probed.model import ProbedEncoder, ProbeHead, head_of
from framework.ssl.registry import build
from tests.framework.ssl.training.conftest import config_of


def features(count=60, offset=0.0):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 3
    rows = torch.randn(count, 5, generator=generator) + torch.eye(5)[labels] * 3
    return Features(rows + offset, labels)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_the_head_gives_the_probabilities_of_the_probe(offset):
    given = features(offset=offset)
    probe = fit_probe(given, given, 3, grid=(0.01,))
    found = torch.log_softmax(head_of(probe)(given.features), dim=1)
    torch.testing.assert_close(found.double(), probe.scores(given.features), atol=1e-4, rtol=1e-4)


def test_a_class_that_train_lacks_is_never_said():
    given = features()
    logits = head_of(fit_probe(given, given, 4, grid=(0.01,)))(given.features)
    assert (logits[:, 3] == -torch.inf).all()
    assert torch.isfinite(logits[:, :3]).all()


def test_images_are_fitted_to_those_of_the_encoder():
    config = config_of(distortions={"preset": "digits", "size": 12})
    method = build(config.method, config.shape, 0, config.backbone)
    model = ProbedEncoder(method, ProbeHead(method.num_features, 10), (1, 8, 8))
    assert (model.latent_dim, model.num_classes, model.task) == (16, 10, "classification")
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert model(images).shape == (3, 10)
    assert model.encode(images).shape == (3, 16)
    assert not model.training


def test_gradients_go_through_the_head_and_the_head_has_no_parameters():
    head = ProbeHead(4, 3)
    head.weight.copy_(torch.arange(12.0).reshape(3, 4))
    z = torch.ones(2, 4, requires_grad=True)
    head(z).sum().backward()
    torch.testing.assert_close(z.grad, head.weight.sum(dim=0).expand(2, 4))
    assert not list(head.parameters())
