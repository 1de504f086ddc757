"""Clocks: how far this machine's is from the tracker's, which tells the time with every answer."""

import time
from email.utils import parsedate_to_datetime

import requests

from framework.tracking.tracker import LOCAL

ASK_S = 5.0
ROUGH_S = 2.0
"""What a date in whole seconds cannot tell apart, with the way there and back."""


def ahead_of(url: str) -> float | None:
    """By how many seconds this machine's clock is ahead of a server's, to about 1 s; None if it tells no time."""
    try:
        before = time.time()
        with requests.Session() as session:
            session.trust_env = not url.startswith(LOCAL)  # a proxy is no way to this machine
            reply = session.head(url, timeout=ASK_S, allow_redirects=False)
        after = time.time()
        told = parsedate_to_datetime(reply.headers.get("Date") or "").timestamp()
    except (requests.RequestException, ValueError, TypeError):
        return None
    return (before + after) / 2 - (told + 0.5)


def now_at(url: str) -> float:
    """The time at a server, in seconds since 1970; this machine's own where both are as good as the same."""
    ahead = ahead_of(url)
    return time.time() - (ahead if ahead is not None and abs(ahead) > ROUGH_S else 0.0)
