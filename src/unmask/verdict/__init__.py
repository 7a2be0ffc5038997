"""The verdict and the forms in which it goes out."""
