"""Aligned fakes: real training pictures sent through small decoders, so that only traces differ."""
