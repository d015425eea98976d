"""Objectives and limits of a search, by name."""

from autofi.objectives.objectives import OBJECTIVES, Goals, Objective

__all__ = ["OBJECTIVES", "Goals", "Objective"]
