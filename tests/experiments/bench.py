"""Runs points of an experiment without a tracker."""

import itertools

from tests.framework.fakes import FakeRun


class Bench:
    """Makes what a point requires, once, and runs points. `made` counts what was made."""

    def __init__(self, folder, manager):
        self.folder, self.manager = folder, manager
        self.store, self.counter, self.made = {}, itertools.count(), 0

    def run(self, config):
        for kind, required in self.manager.requires("run", config):
            if (kind, required.config_id) not in self.store:
                self.made += 1
                self.manager.make(kind, required, self.new_run())
        run = self.new_run()
        self.manager.run(config, run)
        return run

    def new_run(self, shelf=None):
        return FakeRun(self.folder / f"run{next(self.counter)}", self.store, shelf)
