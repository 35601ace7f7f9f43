"""Whether a base's weights are here, would be fetched, or cannot be had: one look at folders, no network.

In go a base's kind, name and weights, of a checked recipe or of a plan; out comes an `Availability`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from runtime.models.weights_sources import source_of
from runtime.weights.published import PublishedFile, local_file

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Availability:
    """Where a base's weights are; `place`, `size` in bytes (0 is unknown) and `licence` where others publish them."""

    state: Literal["here", "to fetch", "gone"]
    place: str = ""
    size: int = 0
    licence: str = ""

    def text(self) -> str:
        """Say it in a few words, for those that others publish; of all others there is nothing to say."""
        if not self.place:
            return ""
        size = f"{megabytes(self.size)} " if self.size and self.state == "to fetch" else ""
        return ", ".join(filter(None, (self.place, self.licence and f"licence {self.licence}", f"{size}{self.state}")))


def availability(kind: str, name: str, weights: Any) -> Availability:
    """Return where the weights of a base are; `weights` is None, a word or a call, as `source_of` takes it."""
    source = source_of(weights)
    published = source.published(kind, name, arguments(weights))
    if published is not None:
        return of_file(published)
    return Availability("here" if source.is_here(name) else "gone")


def of_file(published: PublishedFile) -> Availability:
    """Return where a published file is."""
    path = local_file(published)
    size = published.size if path is None else path.stat().st_size
    return Availability("to fetch" if path is None else "here", published.place, size, published.licence)


def arguments(weights: Any) -> Mapping[str, Any]:
    """Return the arguments of a call of weights as plain values, of a checked recipe or of a plan."""
    args: Mapping[str, Any] = getattr(weights, "args", {})
    return {name: getattr(arg, "value", arg) for name, arg in args.items()}


def megabytes(size: int) -> str:
    """Return a size for people."""
    return f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size / 1e6:,.2f} MB"
