"""The tasks, a folder each. None imports another."""
