"""Which fields and pairs the good models of a study rely on: permutation, feature interaction scores, masked models."""
