"""The colours of classes in masks."""

from __future__ import annotations


def palette(count: int) -> list[tuple[int, int, int]]:
    """Return the colours of Pascal VOC: black, then dark and light ones that are far apart."""
    colors = []
    for index in range(count):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= (index >> (3 * bit + channel) & 1) << 7 - bit
        colors.append((channels[0], channels[1], channels[2]))
    return colors
