"""A picture comes in: files are found, decoded under limits, and cut into views."""
