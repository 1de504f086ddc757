import threading

import pytest
import torch

from framework.ssl.distortions.config import DistortionsConfig
from framework.ssl.distortions.distorter import CACHED, Distorter, generator_of
from framework.ssl.distortions.threads import side_by_side

PARTS = [slice(k, k + 1) for k in range(5)]


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_every_part_is_done_on_one_thread_and_all_is_as_it_was(threads):
    done, seen = [], set()

    def work(part):
        done.append(part.start)
        seen.add((threading.get_ident() == threading.main_thread().ident, torch.get_num_threads()))

    side_by_side(work, PARTS)
    assert sorted(done) == [0, 1, 2, 3, 4]
    assert seen == {(threads == 1, 1)}
    assert torch.get_num_threads() == threads
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [threads], "threads that begin later have as many"


def test_what_goes_wrong_in_a_part_is_raised(threads):
    def work(part):
        if part.start == 3:
            raise ValueError("part 3")

    with pytest.raises(ValueError, match="part 3"):
        side_by_side(work, PARTS)
    assert torch.get_num_threads() == threads


def test_views_do_not_depend_on_the_threads(threads):
    count = 3 * (CACHED // (4 * 2 * 3 * 32 * 32))
    images = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
    distorter = Distorter(DistortionsConfig(preset="byol"), (3, 32, 32), 2)
    drawn = distorter.draw(count, generator_of(0, 0))
    views = distorter(images, drawn)
    torch.set_num_threads(1)
    assert torch.equal(views, distorter(images, drawn))
    assert not views.requires_grad
