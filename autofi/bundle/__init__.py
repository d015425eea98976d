"""The format of an exported model, and everything that runs it."""
