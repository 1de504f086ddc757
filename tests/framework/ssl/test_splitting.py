import pytest
import torch
from torch import nn

from framework.errors import InvalidInput
from framework.ssl.backbones import build_backbone
from framework.ssl.parts import SmallResNet, Torchvision
from framework.ssl.splitting import GroupedBatchNorm, split_batch_norms
from tests.framework.ssl.conftest import tiny, views_of

GROUPS = 2


def both():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3, eps=1e-3, momentum=0.3))
    nn.init.normal_(plain[1].weight)
    nn.init.normal_(plain[1].bias)
    grouped = nn.Sequential(plain[0], nn.BatchNorm2d(3, eps=1e-3, momentum=0.3))
    grouped[1].load_state_dict(plain[1].state_dict())
    split_batch_norms(grouped, GROUPS)
    return plain, grouped


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_each_group_is_normalised_by_itself(layout):
    plain, grouped = both()
    images = torch.rand(6, 1, 5, 5).to(memory_format=layout)
    found = grouped(images)
    for group in range(GROUPS):
        torch.testing.assert_close(found[group::GROUPS], plain(images[group::GROUPS]))


def test_in_use_it_normalises_by_what_all_groups_have_seen():
    _, grouped = both()
    layer = grouped[1]
    assert isinstance(layer, GroupedBatchNorm)
    grouped(torch.rand(6, 1, 5, 5))
    seen = layer.running_mean.view(GROUPS, 3).mean(0)
    grouped.eval()
    torch.testing.assert_close(layer.running_mean, seen.repeat(GROUPS))
    image = torch.rand(1, 1, 5, 5)
    features = grouped[0](image)
    mean, var = (numbers[:3].view(1, 3, 1, 1) for numbers in (layer.running_mean, layer.running_var))
    expected = (features - mean) / (var + 1e-3).sqrt() * layer.weight.view(1, 3, 1, 1) + layer.bias.view(
        1, 3, 1, 1
    )
    torch.testing.assert_close(grouped(image), expected)


@pytest.mark.parametrize("config", [Torchvision(splits=2), SmallResNet(width=0.0625, splits=2)])
def test_every_normalisation_of_a_backbone(config):
    backbone = build_backbone(config, (1, 8, 8))
    kinds = {type(layer) for layer in backbone.modules() if isinstance(layer, nn.BatchNorm2d)}
    assert kinds == {GroupedBatchNorm}
    assert backbone.splits == 2


def test_a_batch_that_cannot_be_shared_out():
    method = tiny("moco", backbone=SmallResNet(width=0.03125, splits=4))
    with pytest.raises(InvalidInput, match=r"has 6 images; allowed: a multiple of backbone.splits, 4"):
        method.loss(views_of(method, 6))
    method.eval().loss(views_of(method, 6))


def test_the_momentum_encoder_groups_in_another_order():
    method = tiny("moco", backbone=SmallResNet(width=0.03125, splits=2))
    view = views_of(method)[0]
    method.target_backbone.load_state_dict(method.backbone.state_dict())
    method.target_projection.load_state_dict(method.projection.state_dict())
    torch.manual_seed(0)
    order = torch.randperm(len(view))
    torch.manual_seed(0)
    found = method._target(view)
    expected = method.project(method.encode(view[order]))[order.argsort()]
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, method.project(method.encode(view)), atol=1e-4)
