"""A model: a file and the card that says how its answers are read."""
