"""Rows of a cache."""

from __future__ import annotations


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def row(number: int) -> bytes:
    return bytes([number % 256]) * 64
