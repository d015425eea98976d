"""The base of all packages: registries, progress, files written whole, checked settings, optional dependencies."""
