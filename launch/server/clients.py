"""The versions of the `wandb` client that the server is tested with."""

OLDEST, NEWEST = "0.22.3", "0.31.0"
"""The oldest and the newest; every workflow of the client runs in the tests with both."""
TESTED = (OLDEST, NEWEST)


def verdict(version: str) -> str:
    """What is known of a client's version, as a sentence."""
    if version in TESTED:
        return f"wandb {version} is one of the versions that the embedded server is tested with"
    place = _numbers(version)
    if place < _numbers(OLDEST):
        return (
            f"wandb {version} is older than the oldest version that is tested with the embedded server, {OLDEST}"
        )
    if place > _numbers(NEWEST):
        return (
            f"wandb {version} is newer than the newest version that the embedded server is tested with, {NEWEST}:"
            " fields that the server does not know are told as null, with one line in its log"
        )
    return (
        f"wandb {version} lies between the versions that the embedded server is tested with, {OLDEST} and {NEWEST}"
    )


def _numbers(version: str) -> tuple[int, ...]:
    found = []
    for part in version.split(".")[:3]:
        digits = "".join(character for character in part if character.isdigit())
        found.append(int(digits or 0))
    return tuple(found)
