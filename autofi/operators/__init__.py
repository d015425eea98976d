"""Interaction operators: one file and one registered class each."""
