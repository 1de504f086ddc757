"""Parts of a batch on several threads of a CPU, each part on one.

An operation on a part takes a tenth of a millisecond. Where torch shares out every single one among its
threads, each waits for the slowest thread, and on cores that others use, too, mostly for nothing; whole parts
wait once.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch


def side_by_side(work: Callable[[slice], None], parts: Sequence[slice]) -> None:
    """Do `work` on each part, as many at a time as torch has threads here; with one, in their order.

    What `work` raises is raised here, once all parts that were begun are done.
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(parts) == 1:
        for part in parts:
            work(part)
        return
    # Made anew each time: threads that are kept would be missing in a forked process.
    try:
        with ThreadPoolExecutor(
            min(threads, len(parts)), initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            list(pool.map(work, parts))
    finally:
        torch.set_num_threads(threads)  # of threads that begin later; the one that calls has kept its own
