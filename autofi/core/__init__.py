"""The base of all packages: errors in one line, registries, progress, files written whole, optional dependencies."""
