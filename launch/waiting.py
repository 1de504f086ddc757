"""Why Slurm lets a job wait, in plain words: what the commonest of Slurm's own words mean."""

import re

WORDS = {
    "": "Slurm gives no reason yet",
    "None": "Slurm gives no reason yet",
    "BadConstraints": "no node has what it asks for, so it will not start: mend the profile",
    "BeginTime": "its time to begin has not come: it was queued again a moment ago, or submitted for later",
    "BurstBufferResources": "waits for storage to become free",
    "Cleaning": "its last attempt is still being cleaned up",
    "Dependency": "waits for another job to end",
    "DependencyNeverSatisfied": "will not start: a job that it depends on has failed; cancel it",
    "InvalidAccount": "will not start: the account in the profile is not known or not yours",
    "InvalidQOS": "will not start: the quality of service in the profile is not known or not yours",
    "JobArrayTaskLimit": "as many jobs of its array run as may at a time (parallel_jobs in the profile)",
    "JobHeldAdmin": "an administrator holds it back",
    "JobHeldUser": "it is held back; let it go: scontrol release JOB",
    "JobHoldMaxRequeue": "Slurm holds it back: it was queued again too often; scontrol release JOB",
    "Licenses": "waits for a licence to become free",
    "NodeDown": "a node that it needs is down",
    "PartitionDown": "its partition starts no jobs at present",
    "PartitionInactive": "its partition starts no jobs at present",
    "PartitionNodeLimit": "will not start: it asks for more nodes than its partition gives to one job",
    "PartitionTimeLimit": "will not start: time_minutes in the profile is more than its partition allows",
    "Priority": "others are before it in the queue",
    "ReqNodeNotAvail": "a node that it needs is down, drained or reserved (often: maintenance is near)",
    "Reservation": "waits for its reservation to begin",
    "Resources": "waits for nodes to become free",
}
LIMITS = (
    (re.compile("gres|gpu", re.IGNORECASE), "GPUs"),
    (re.compile("cpu", re.IGNORECASE), "CPUs"),
    (re.compile("mem", re.IGNORECASE), "memory"),
    (re.compile("node", re.IGNORECASE), "nodes"),
    (re.compile("job|submit", re.IGNORECASE), "jobs at a time"),
    (re.compile("wall|time|min", re.IGNORECASE), "time"),
)
"""What the name of a limit says that is limited; the first that fits. `AssocGrpGRES`: the GPUs of a group."""
WHOSE = (
    (re.compile("PerUser|PU$"), "you use all the {} that one user may"),
    (re.compile("PerAccount|PA$"), "your account uses all the {} that one may"),
    (re.compile("^AssocGrp"), "your group uses all the {} that it may"),
    (re.compile("^QOSGrp"), "all the {} of this quality of service are in use"),
    (re.compile("PerJob|PerNode"), "will not start: it asks for more {} than one job may have"),
    (re.compile("^AssocMax"), "you use all the {} that you may"),
    (re.compile("^QOSMax"), "you use all the {} that this quality of service gives"),
)


def meaning(reason: str) -> str:
    """What Slurm's reason for a job that waits means; empty for one that is not known here."""
    word = re.split(r"[\s,(:]", reason.strip("() "), maxsplit=1)[0]
    if word in WORDS:
        return WORDS[word]
    for whose, sentence in WHOSE:
        if whose.search(word):
            what = re.sub("^(AssocGrp|AssocMax|QOSGrp|QOSMax)|Per(User|Account|Job|Node)", "", word)
            return sentence.format(next((name for pattern, name in LIMITS if pattern.search(what)), "resources"))
    return ""
