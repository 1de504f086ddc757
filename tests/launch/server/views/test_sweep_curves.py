import pytest

from launch.server.views.sweep_curves import _first


@pytest.mark.parametrize(
    ("keys", "metric", "expected"),
    [
        (["acc", "epoch", "loss"], "loss", "loss"),
        (["epoch", "loss"], None, "loss"),
        (["epoch", "loss"], "of no row", "loss"),
        (["epoch"], None, "epoch"),
        ([], "loss", None),
    ],
)
def test_the_metric_is_drawn_first_and_no_counter(keys, metric, expected):
    assert _first(keys, None if metric is None else {"name": metric, "goal": "min"}) == expected
