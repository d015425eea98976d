"""How much a model relies on fields and pairs: permutation importances and interaction scores."""
