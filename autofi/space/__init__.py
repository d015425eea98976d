"""Architectures, and the search spaces that contain them."""
