import math

import pytest
import torch
import torch.nn.functional as F

from framework.errors import InvalidInput
from framework.ssl.diagnostics.collapse import collapse, line_of
from tests.second_device import DEVICE, SecondDevice


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("width", [2, 16, 128])
def test_random_directions_lie_at_the_line(width):
    found = collapse(random(4000, width))
    assert found.line == line_of(width) == pytest.approx(width**-0.5)
    assert found.ratio == pytest.approx(1, abs=0.02)
    assert found.verdict == "healthy"


def test_the_formula():
    outputs = random(2, 30, 5)
    expected = torch.stack([F.normalize(view.double(), dim=1).std(dim=0) for view in outputs]).mean()
    assert collapse(outputs).std == pytest.approx(float(expected))
    assert collapse(outputs[0]).std == pytest.approx(
        float(F.normalize(outputs[0].double(), dim=1).std(dim=0).mean())
    )


@pytest.mark.parametrize(
    "outputs", [torch.full((20, 8), 0.3), torch.zeros(20, 8), random(1, 8) * random(20, 1).abs()]
)
def test_one_direction_has_collapsed(outputs):
    found = collapse(outputs)
    assert found.std == pytest.approx(0, abs=1e-7)
    assert found.verdict == "collapsed"
    assert "collapsed: below 0.1 of it" in found.told


def test_views_that_are_constant_by_themselves():
    """Each view tells nothing, though they differ from one another."""
    outputs = random(2, 1, 8).expand(-1, 20, -1)
    assert collapse(outputs).verdict == "collapsed"
    assert collapse(outputs.flatten(0, 1)).verdict == "healthy"


def test_the_threshold():
    outputs = random(100, 16) + 2
    ratio = collapse(outputs).ratio
    assert 0.1 < ratio < 0.5
    assert collapse(outputs, threshold=ratio + 0.01).verdict == "collapsed"
    assert collapse(outputs, threshold=ratio - 0.01).verdict == "healthy"


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_not_finite(value):
    outputs = random(2, 4, 3)
    outputs[1, 2, 0] = value
    found = collapse(outputs)
    assert found.verdict == "not finite"
    assert math.isnan(found.std)
    assert found.told == "1 of 24 outputs are NaN or infinite: the network has diverged"


def test_on_a_second_device():
    with SecondDevice():
        assert collapse(random(9, 4).to(DEVICE)).std == pytest.approx(collapse(random(9, 4)).std)


@pytest.mark.parametrize(
    ("outputs", "options", "told"),
    [
        (random(1, 4), {}, r"2 or more rows"),
        (random(2, 1, 4), {}, r"2 or more images"),
        (random(9, 4), {"threshold": 2}, r"threshold: is 2; allowed: 0 to 1"),
        (random(9), {}, r"has the shape \(9,\)"),
    ],
)
def test_what_cannot_be_used(outputs, options, told):
    with pytest.raises(InvalidInput, match=told):
        collapse(outputs, **options)
