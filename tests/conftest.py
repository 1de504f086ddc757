"""What holds for every test. Where they run beside each other (`make test`), each process keeps to one thread."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
