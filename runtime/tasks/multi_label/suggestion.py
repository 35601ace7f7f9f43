"""What `ftr new` says of labels, and chooses by them."""

from __future__ import annotations

from recipe_lang.words import counted, printable
from runtime.data.listing import Listing
from runtime.tasks.multi_label.targets import label_counts
from runtime.tasks.protocol import Suggestion, enough_images

_ENOUGH_TO_OPEN = 200  # images
_FEW = 10  # images of a label, below which it is named


def suggested(train: Listing) -> Suggestion:
    """Return what `ftr new` says of the labels."""
    too_few, enough = enough_images(train, _ENOUGH_TO_OPEN)
    counts = label_counts(train)
    without = sum(not sample.target for sample in train.samples)
    none = f"; {counted(without, 'image')} without any" if without else ""
    return Suggestion(
        summary=f"{counted(len(train.names), 'label')}, {sum(counts) / len(train.samples):.1f} an image{none}",
        detail=_by_size(train),
        metric="map",
        why_metric="Each label has equal weight, and no threshold matters.",
        held="stratified by label",
        can_be_tested=min(counts) >= _FEW,
        uncropped="A part of an image may lack what a label names.",
        too_few=too_few,
        enough=enough,
    )


def _by_size(train: Listing) -> str:
    """Return the labels by how many images have them, the middle ones left out, and how many are rare."""
    pairs = sorted(zip(label_counts(train), train.names, strict=True), key=lambda pair: (-pair[0], pair[1]))
    shown = [f"{printable(name)[:40]} {count:,}" for count, name in pairs]
    if len(shown) > 6:
        shown[3:-2] = ["…"]
    few = sum(count < _FEW for count, _ in pairs)
    named = f" {counted(few, 'label')} of fewer than {_FEW} images can hardly be judged." if few else ""
    return f" ({', '.join(shown)}).{named}"
