import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.image import peak_signal_noise_ratio

from framework.metrics.reconstruction import MSE, PSNR, class_means, mse_per_image, psnr_per_image


def test_the_error_of_a_hand_made_pair():
    images = torch.zeros(2, 1, 2, 2)
    images[0, 0, 0, 0] = 1.0  # one pixel of four is off by 1
    images[1] = 0.5  # all are off by one half
    errors = mse_per_image(torch.zeros(2, 1, 2, 2), images, torch.ones(1))
    assert errors.tolist() == [0.25, 0.25]


def test_the_scale_of_the_images_does_not_change_the_error():
    images, given_back = torch.rand(5, 3, 4, 4), torch.rand(5, 3, 4, 4)
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.3, 0.1])
    standard = [(part - mean[:, None, None]) / std[:, None, None] for part in (given_back, images)]
    torch.testing.assert_close(mse_per_image(*standard, std), mse_per_image(given_back, images, torch.ones(3)))


def test_psnr_is_that_of_torchmetrics_and_infinite_for_equal_images():
    images, given_back = torch.rand(5, 3, 4, 4), torch.rand(5, 3, 4, 4)
    found = psnr_per_image(mse_per_image(given_back, images, torch.ones(3)))
    expected = peak_signal_noise_ratio(given_back, images, data_range=1.0, reduction="none", dim=(1, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert psnr_per_image([1.0, 0.01, 0.0]).tolist() == pytest.approx([0, 20, np.inf])


def test_the_metrics_declare_what_they_are():
    assert PSNR.better == "higher"
    assert MSE.better == "lower"
    assert "[0, 1]" in MSE.unit
    assert "mean" in MSE.reduction


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 4)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_class_means_weighted_by_count_are_the_total(pairs):
    errors, labels = np.array([e for e, _ in pairs]), np.array([c for _, c in pairs])
    frame = class_means(errors, labels)
    assert frame["count"].sum() == len(pairs)
    assert (frame["mean"] * frame["count"]).sum() / frame["count"].sum() == pytest.approx(errors.mean())
    groups = pd.Series(errors).groupby(labels)
    assert frame["class"].tolist() == sorted(set(labels.tolist()))
    np.testing.assert_allclose(frame["mean"], groups.mean(), atol=1e-12)
    np.testing.assert_allclose(frame["variance"], groups.var(ddof=0), atol=1e-9)
