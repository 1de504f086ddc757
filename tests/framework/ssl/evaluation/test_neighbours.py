import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from framework.errors import InvalidInput
from framework.ssl.evaluation.features import Features
from framework.ssl.evaluation.neighbours import OTHER, OWN, gallery_figure, neighbours
from framework.ssl.evaluation.search import nearest
from tests.framework.ssl.evaluation.conftest import digits

TASK = digits()


def pixels(part, count):
    return Features(part.images[:count].flatten(1), part.labels[:count], part.indices[:count])


QUERIES, BANK = pixels(TASK.test, 5), pixels(TASK.train, 400)


def test_the_gallery_as_data():
    gallery = neighbours(QUERIES, BANK, 6)
    cosines, positions = nearest(QUERIES.features, BANK.features, 6)
    assert torch.equal(gallery.positions, positions)
    assert torch.equal(gallery.labels, BANK.labels[positions])
    assert torch.equal(gallery.same, BANK.labels[positions] == QUERIES.labels[:, None])
    frame = gallery.frame()
    assert list(frame.columns) == ["query", "rank", "position", "cosine", "query_label", "label", "same"]
    assert len(frame) == 30
    row = frame.iloc[13]
    assert (row["query"], row["rank"], row["position"]) == (2, 2, int(positions[2, 1]))
    np.testing.assert_allclose(frame["cosine"], cosines.flatten())


@pytest.mark.parametrize("classes", [None, [f"digit {label}" for label in range(10)]])
def test_the_figure(classes):
    rotated = Features(QUERIES.features, (QUERIES.labels + 1) % 10, QUERIES.indices)  # so that some differ
    for queries, colour in ((QUERIES, OWN), (rotated, OTHER)):
        gallery = neighbours(queries, BANK, 4)
        figure = gallery_figure(gallery, TASK.test.images[:5], TASK.train.images[:400], classes)
        axes = np.array(figure.axes).reshape(5, 5)
        for q in range(5):
            assert axes[q, 0].get_title() == str(
                classes[int(queries.labels[q])] if classes else int(queries.labels[q])
            )
            for n in range(4):
                title = axes[q, n + 1].title
                expected = OWN if gallery.same[q, n] else OTHER
                assert to_hex(title.get_color()).upper() == expected
                shown = axes[q, n + 1].images[0].get_array()
                np.testing.assert_allclose(shown, BANK.features[gallery.positions[q, n]].reshape(8, 8))
        assert any(to_hex(panel.title.get_color()).upper() == colour for panel in axes[:, 1:].ravel())


def test_colours():
    images = torch.rand(9, 3, 4, 4)
    features = Features(images.flatten(1), torch.arange(9))
    figure = gallery_figure(neighbours(features, features, 2), images, images)
    assert figure.axes[1].images[0].get_array().shape == (4, 4, 3)


def test_queries_in_the_bank():
    with pytest.raises(InvalidInput, match=r"bank: 5 of the 5 images that are classified lie in the bank"):
        neighbours(pixels(TASK.train, 5), BANK)


def test_images_that_are_not_of_the_gallery():
    with pytest.raises(InvalidInput, match=r"query_images: have the shape \(4, 1, 8, 8\).*at least 5 images"):
        gallery_figure(neighbours(QUERIES, BANK), TASK.test.images[:4], TASK.train.images)
    with pytest.raises(InvalidInput, match=r"bank_images: have the shape \(400, 2, 8, 8\)"):
        gallery_figure(neighbours(QUERIES, BANK), TASK.test.images[:5], torch.rand(400, 2, 8, 8))
