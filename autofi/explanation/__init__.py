"""The explanation of a row's probability: contributions by exact masking, memorized crosses, weights of streams."""
