"""Baselines: boosted trees, and spaces with a single architecture."""
