"""The plan's types and formulas: plain values."""
