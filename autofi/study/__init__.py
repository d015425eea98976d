"""A study for its user: results, retraining, notes for the dashboard."""
