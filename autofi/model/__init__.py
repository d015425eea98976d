"""The network of an architecture."""
