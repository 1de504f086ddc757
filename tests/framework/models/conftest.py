import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small take many times as long where threads wait for a core that others use."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
