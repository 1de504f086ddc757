"""Fusion of networks: hidden units of one model are matched to those of another, then weights are averaged."""

from framework.fusion.align import align
from framework.fusion.config import CONFIGS as METHODS
from framework.fusion.fuse import fuse

__all__ = ["METHODS", "align", "fuse"]
