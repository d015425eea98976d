"""Data checks: leakage and drift, before a search relies on a table."""
