"""A study as its user holds it: results, retraining, notes for the dashboard."""
