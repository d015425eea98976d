"""A model as one graph from raw columns to the probability of a click.

    raw columns ─► fields (codes, positions, tokens) ─► cells (crosses, statistics) ─► trees ─► network ─► calibration

The network comes from `torch.export`; everything before it is written down here with the same results, bit by bit.
"""
