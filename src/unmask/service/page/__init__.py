"""The page for people: HTML that works by itself, one stylesheet, and scripts that help."""
