"""The detector: a model and its card, run on views, pooled and calibrated into a verdict."""
