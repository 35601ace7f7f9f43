"""Frozen features ahead of a run, computed here or by other machines."""
