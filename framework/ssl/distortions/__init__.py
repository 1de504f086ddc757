"""Distortions of whole batches: the views of self-supervised learning.

Importing this package is light; the names below bring torch with them at first use.
"""

from typing import TYPE_CHECKING

from framework.lazy import lazy

if TYPE_CHECKING:
    from framework.ssl.distortions.distorter import Distorter as Distorter
    from framework.ssl.distortions.distorter import Drawn as Drawn
    from framework.ssl.distortions.distorter import generator_of as generator_of
    from framework.ssl.distortions.place import Choice as Choice
    from framework.ssl.distortions.place import choose_place as choose_place
    from framework.ssl.distortions.place import views_of as views_of

_HOMES = {
    "Distorter": "framework.ssl.distortions.distorter",
    "Drawn": "framework.ssl.distortions.distorter",
    "generator_of": "framework.ssl.distortions.distorter",
    "Choice": "framework.ssl.distortions.place",
    "choose_place": "framework.ssl.distortions.place",
    "views_of": "framework.ssl.distortions.place",
}

__getattr__ = lazy(__name__, _HOMES)
