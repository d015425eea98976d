"""Strategies of a search: what is learned before the first trial, and the candidates that are left."""
