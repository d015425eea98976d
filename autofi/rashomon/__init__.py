"""Reliance of a study's good models on fields and pairs: permutation, interaction scores, masked models.

After https://arxiv.org/abs/2305.10181, with these differences: a mask multiplies what the network has learned of a
field's value instead of its code, the models that the study trained belong to the set too, and rows are drawn once for
all models.
"""
