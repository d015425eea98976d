"""The verbs of the library: search, work, compare; and the workers they begin."""
