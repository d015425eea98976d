"""Architectures, objectives and verdicts in words and Markdown."""
