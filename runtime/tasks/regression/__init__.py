"""One number, or several, for each image."""
