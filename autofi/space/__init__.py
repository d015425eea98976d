"""Architectures, and the spaces that a search chooses them from."""
