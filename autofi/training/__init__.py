"""Training of a network: the loop, optimizers, sources of rows."""
