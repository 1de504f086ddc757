import pytest
import torch

from framework.errors import ConfigError
from framework.ssl.distortions import place as places
from framework.ssl.distortions.config import DistortionsConfig
from framework.ssl.distortions.distorter import Distorter
from framework.ssl.distortions.place import Choice, choose_place, views_of

IMAGES = (torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8)
BATCHES = list(torch.arange(20).split(6))


def distorter(**given) -> Distorter:
    return Distorter(DistortionsConfig(**given), (3, 8, 8), 2)


def test_both_places_make_the_same_views_and_go_on_after_any_step():
    made = distorter(fraction=0.5)
    here, beside = (
        list(views_of(IMAGES, BATCHES, made, 3, place=p, num_workers=2)) for p in ("device", "workers")
    )
    assert [len(batch.positions) for batch in here] == [6, 6, 6, 2]
    for one, other in zip(here, beside, strict=True):
        torch.testing.assert_close(one, other)
    later = list(views_of(IMAGES, BATCHES[2:], made, 3, first_step=2))
    torch.testing.assert_close(later, here[2:])
    assert not torch.equal(here[0].views, next(views_of(IMAGES, BATCHES, made, 4)).views)


def test_what_was_asked_for_is_not_tried():
    for asked in ("device", "workers"):
        choice = choose_place(asked, pytest.fail, IMAGES, BATCHES, distorter())
        assert choice == Choice(asked, f"{asked} was asked for", {})
    alone = choose_place("auto", pytest.fail, IMAGES, BATCHES, distorter(), num_workers=0)
    assert alone == Choice("device", "there are no workers, so nothing was tried", {})


@pytest.mark.parametrize(("slow", "chosen"), [("device", "workers"), ("workers", "device")])
def test_the_faster_place_is_chosen_and_says_why(monkeypatch, slow, chosen):
    seen, clock = [], [0.0]

    def timed(*given, place, **options):
        for views in views_of(*given, place="device"):
            clock[0] += 0.004 if place == slow else 0.001
            yield views

    monkeypatch.setattr(places, "views_of", timed)
    monkeypatch.setattr(places.time, "perf_counter", lambda: clock[0])
    choice = choose_place("auto", lambda views: seen.append(views.shape), IMAGES, BATCHES, distorter(), steps=20)
    assert choice.place == chosen
    assert len(seen) == 40
    record = choice.record()
    assert record[f"seconds_{slow}"] == pytest.approx(0.004)
    assert record[f"seconds_{chosen}"] == pytest.approx(0.001)
    told = {slow: "4 ms", chosen: "1 ms"}
    assert record["reason"] == (
        f"a step took {told['device']} on device, {told['workers']} on workers (mean of 15 of 20 steps each)"
    )


def test_a_probe_with_real_workers():
    choice = choose_place("auto", lambda views: views.mean(), IMAGES, BATCHES, distorter(), num_workers=1, steps=6)
    assert choice.place in choice.seconds
    assert set(choice.seconds) == {"device", "workers"}


def test_workers_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="num_workers: is 0; allowed: 1 or more"):
        next(views_of(IMAGES, BATCHES, distorter(), 0, place="workers", num_workers=0))
    with pytest.raises(ConfigError, match="images: lie on meta"):
        next(views_of(IMAGES.to("meta"), BATCHES, distorter(), 0, place="workers"))
