"""A recipe for a folder or a table of images."""
