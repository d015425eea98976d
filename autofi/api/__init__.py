"""The main functions of the library, search, work and compare, and the workers that they start."""
