"""A run that keeps what it is given, for tests that need no tracker."""

import shutil
from pathlib import Path

from framework.tracking import journal
from framework.tracking.journal import Entry, Journal
from framework.tracking.progress import Progress


class Shelf:
    """Where progress is kept, as a folder: what a tracker is to a real run."""

    def __init__(self, folder):
        self.folder, self.times = Path(folder), 0

    def fetch(self, folder):
        if self.folder.is_dir():
            shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return self.folder.is_dir()

    def keep(self, folder, *, wait):
        self.forget()
        shutil.copytree(folder, self.folder)
        self.times += 1

    def forget(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class FakeRun:
    """The methods of `framework.tracking.run.Run` over lists; artifacts are folders by kind and config_id."""

    def __init__(self, folder, store=None, shelf=None):
        self.id = self.name = folder.name
        self.url = f"fake://{folder.name}"
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store = {} if store is None else store
        self.rows, self.summary, self.images, self.figures, self.tables = [], {}, {}, {}, {}
        self.artifacts, self.arrays, self.apart = {}, {}, []
        self.journal = Journal(self._speak)
        self.progress = Progress(self.folder, self.journal, shelf)

    def log(self, metrics):
        self.journal.say(Entry(journal.ROW, dict(metrics)))

    def _speak(self, entry, *, again):
        if entry.kind == journal.ROW:
            self.rows.append(dict(entry.data))

    def summarise(self, metrics):
        self.summary |= metrics

    def log_image(self, key, image, caption=""):
        assert image.min() >= 0
        assert image.max() <= 1
        self.images.setdefault(key, []).append((image, caption))

    def log_figure(self, key, figure):
        self.figures[key] = figure

    def log_table(self, name, frame, *, apart=False):
        self.tables[name] = frame
        if apart:
            self.apart.append(name)

    def log_arrays(self, name, arrays):
        self.arrays[name] = dict(arrays)

    def log_artifact(self, kind, config, folder, *, metadata=None):
        kept = self.folder / "artifacts" / f"{kind}-{config.config_id}"
        shutil.copytree(folder, kept)
        self.store[kind, config.config_id] = kept
        self.artifacts[kind] = metadata

    def require(self, kind, config):
        return self.store[kind, config.config_id]
