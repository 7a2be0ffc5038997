"""Controls: what a detector must not be able to do, and what files and views give away."""
