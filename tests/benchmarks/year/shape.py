"""How large a made year is. Everything else of it follows from its seed."""

from dataclasses import dataclass, replace

DAY = 86_400.0
ASKED, LARGE, OPEN = "asked", "large", "open"
"""Projects of the owner: a sweep of 1,000 runs, a tenth of all runs, and a sweep whose points are open."""


@dataclass(frozen=True)
class Shape:
    """Numbers of things. `asked` runs are in one sweep of the project of this name, which every folder has.

    `rows`: rows of history of a run, on average. `recent`: the part of the runs that ended within the last days,
    whose rows are in the database; all others' are in files. `shared` files are in most versions.
    """

    runs: int = 100_000
    projects: int = 200
    rows: int = 1_000
    sweeps: int = 300
    versions: int = 50_000
    users: int = 30
    asked: int = 1_000
    large: int = 10_000
    recent: float = 0.01
    shared: int = 200
    points: int = 5_000
    seed: int = 0

    def times(self, part: float) -> "Shape":
        """A smaller year: this part of the runs, sweeps and versions, and of what is asked for."""

        def scaled(number: int, least: int) -> int:
            return max(least, round(number * part))

        return replace(
            self,
            runs=scaled(self.runs, 60),
            projects=scaled(self.projects, 5),
            sweeps=scaled(self.sweeps, 3),
            versions=scaled(self.versions, 20),
            users=scaled(self.users, 2),
            asked=scaled(self.asked, 20),
            large=scaled(self.large, 20),
            points=scaled(self.points, 300),
        )

    def alone(self, project: str) -> "Shape":
        """A folder that holds one of the projects, and nothing else."""
        asked = self.asked if project == ASKED else 0
        large = self.large if project == LARGE else 0
        return replace(
            self, runs=asked + large, projects=0, sweeps=0, versions=0, users=0, asked=asked, large=large
        )
