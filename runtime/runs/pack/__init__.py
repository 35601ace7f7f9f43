"""Packs: a run in one file."""
