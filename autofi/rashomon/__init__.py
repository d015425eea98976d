"""Which fields and pairs the good models of a study rely on: permutation, feature interaction scores, masked models.

After https://arxiv.org/abs/2305.10181. Where it differs: a mask multiplies what the network has learned of a field's
value instead of its code, the models that the study trained belong to the set too, and rows are drawn, the same for all
models.
"""
