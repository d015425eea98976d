"""Reliance of models on fields and pairs: permutation importances and interaction scores."""
