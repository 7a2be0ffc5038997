"""The verdict: where it is decided, what it is, and the forms in which it goes out."""
