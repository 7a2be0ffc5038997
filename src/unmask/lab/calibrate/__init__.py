"""Calibration: on validation pictures alone, make a model's numbers mean what they say."""
