"""MXNet's ways: its import, freezing, graph rewriting, the fingerprint of a machine."""
