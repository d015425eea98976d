"""Objectives and limits of a search, by name."""

from autofi.objectives.objectives import OBJECTIVES, Direction, Goals, Limit, Objective, pareto_front

__all__ = ["OBJECTIVES", "Direction", "Goals", "Limit", "Objective", "pareto_front"]
