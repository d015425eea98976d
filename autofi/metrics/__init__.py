"""Ranking and calibration metrics of predictions; NumPy only."""
