"""Distillation alone: a student, and teachers that are there already; no run, no recipe."""

from openhorizon.own_teachers.distilling import distill_own
from openhorizon.own_teachers.folder import Distilled

__all__ = ["Distilled", "distill_own"]
