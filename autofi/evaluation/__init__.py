"""Measurement of an architecture: training from fresh weights, metrics and costs."""
