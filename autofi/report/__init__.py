"""The report of a study for people, made from the store alone."""
