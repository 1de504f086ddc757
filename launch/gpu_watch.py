"""How busy the GPU of a worker is: looked at now and then with `nvidia-smi`, noted in a file that the run reads.

Nothing is looked at where there is no GPU. A look is a process of its own that nobody waits for.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

from framework.tracking import workplace
from launch.slots import gpus_here

LOOK_S = 15.0
QUERY = "--query-gpu=utilization.gpu,memory.used"


class GpuWatch:
    """Looks at the GPUs that this process may use, at most every 15 s."""

    def __init__(self) -> None:
        self._gpus = gpus_here() if shutil.which("nvidia-smi") else []
        self._file: Path | None = None
        self._looking: subprocess.Popen[bytes] | None = None
        self._next = 0.0

    def begin(self, file: Path) -> None:
        """Note what is seen from now on in this file, which the run is told of; the first look is in 15 s."""
        if self._gpus:
            self._file, self._next = file, time.monotonic() + LOOK_S
            os.environ[workplace.SAMPLES] = str(file)

    def look(self) -> None:
        """Look, if it is time to."""
        if self._file is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LOOK_S
        if self._looking is not None and self._looking.poll() is None:
            return  # a driver that hangs is not asked again and again
        command = ["nvidia-smi", f"--id={','.join(self._gpus)}", QUERY, "--format=csv,noheader,nounits"]
        with self._file.open("ab") as file:
            self._looking = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.DEVNULL
            )

    def end(self) -> None:
        """Stop looking; what was noted goes."""
        if self._file is None:
            return
        if self._looking is not None and self._looking.poll() is None:
            self._looking.kill()
            self._looking.wait()
        self._looking = None
        self._file.unlink(missing_ok=True)
        self._file = None
