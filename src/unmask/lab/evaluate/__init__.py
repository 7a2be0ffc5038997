"""Evaluation judges models on labelled pictures."""
