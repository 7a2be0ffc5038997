"""The detector: one set of settings, a picture that is examined once, and the verdict on it."""
