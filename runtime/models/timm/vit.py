"""ViT, DeiT and DINOv2 as timm has them: an image's patches as tokens, and one more that stands for the image.

Dosovitskiy et al. (arXiv 2010.11929), Touvron et al. (arXiv 2012.12877), Oquab et al. (arXiv 2304.07193). Names of
parameters are those of timm's `vision_transformer.py`: `cls_token`, `pos_embed`, `patch_embed.proj`,
`blocks.0.attn.qkv`, …, `norm`, `head`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from runtime.backend.mx import gluon, mx, nn
from runtime.models.timm.transformer import Attention, Mlp, Scale, layer_norm
from runtime.plan.size import Size

if TYPE_CHECKING:
    from collections.abc import Mapping

Array = npt.NDArray[Any]

_SCALE = 1e-5  # of a layer at the start, in DINOv2


class Block(gluon.HybridBlock):  # type: ignore[misc]
    """Attention and a dense network of two layers, each behind a norm and added to its input."""

    def __init__(self, channels: int, heads: int, scales: bool) -> None:
        super().__init__()
        with self.name_scope():
            self.norm1 = layer_norm(channels)
            self.attn = Attention(channels, heads)
            self.ls1 = Scale(channels, _SCALE) if scales else None
            self.norm2 = layer_norm(channels)
            self.mlp = Mlp(channels, 4 * channels)
            self.ls2 = Scale(channels, _SCALE) if scales else None

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        """Return (batch, tokens, channels); Gluon calls this."""
        x = x + self.attn(self.norm1(x), *([] if self.ls1 is None else [self.ls1(x)]))
        return x + self.mlp(self.norm2(x), *([] if self.ls2 is None else [self.ls2(x)]))


class Tokens(gluon.HybridBlock):  # type: ignore[misc]
    """Images (batch, 3, height, width) as tokens (batch, 1 + patches, channels), the first that of the image."""

    def __init__(self, channels: int, patch: int, patches: int) -> None:
        super().__init__()
        with self.name_scope():
            self.patch_embed = gluon.nn.HybridSequential()
            self.patch_embed.register_child(nn.Conv2D(channels, patch, strides=patch, in_channels=3), "proj")
            normal = mx.init.Normal(0.02)
            self.cls_token = self.params.get("cls_token", shape=(1, 1, channels), init=normal)
            self.pos_embed = self.params.get("pos_embed", shape=(1, 1 + patches, channels), init=normal)

    def hybrid_forward(self, F: Any, x: Any, cls_token: Any, pos_embed: Any) -> Any:  # noqa: N803
        """Return the tokens; Gluon calls this."""
        x = F.transpose(F.reshape(self.patch_embed(x), shape=(0, 0, -1)), axes=(0, 2, 1))
        first = F.broadcast_like(cls_token, x, lhs_axes=(0,), rhs_axes=(0,))
        return F.broadcast_add(F.concat(first, x, dim=1), pos_embed)


class FirstToken(gluon.HybridBlock):  # type: ignore[misc]
    """The token that stands for the image, (batch, channels)."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """Return the token; Gluon calls this."""
        return F.reshape(F.slice_axis(x, axis=1, begin=0, end=1), shape=(0, -1))


class Cells(gluon.HybridBlock):  # type: ignore[misc]
    """The tokens of the patches as maps (batch, channels, height, width) of a size."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self._size = size

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """Return the maps; Gluon calls this."""
        x = F.transpose(F.slice_axis(x, axis=1, begin=1, end=None), axes=(0, 2, 1))
        return F.reshape(x, shape=(0, 0, *self._size))


class VisionTransformer(gluon.HybridBlock):  # type: ignore[misc]
    """The whole network; input float32 (batch, 3, height, width), output (batch, classes), or the image's token."""

    def __init__(
        self, size: Size, classes: int, patch: int, channels: int, heads: int, depth: int, scales: bool = False
    ) -> None:
        super().__init__()
        self.features = channels
        self.classifier = "head" if classes else ""
        self._grid = Size(*(side // patch for side in size))
        with self.name_scope():
            self._tokens = Tokens(channels, patch, self._grid.pixels)
            self.blocks = gluon.nn.HybridSequential()
            self.blocks.add(*(Block(channels, heads, scales) for _ in range(depth)))
            self.norm = layer_norm(channels)
            self._first = FirstToken()
            self.head = nn.Dense(classes, in_units=channels) if classes else None

    @property
    def parts(self) -> list[list[Any]]:
        """The layers of each part."""
        return [[self._tokens], *([block] for block in self.blocks), [self.norm]]

    @property
    def tail(self) -> list[Any]:
        """What gives the classifier its numbers."""
        return [self._first]

    @property
    def cells(self) -> Cells:
        """What makes maps of the tokens."""
        return Cells(self._grid)

    def fitted(self, arrays: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return a file's arrays with the position embedding for the network's own size of images."""
        known = arrays.get("pos_embed")
        is_grid = known is not None and known.ndim == 3 and known.shape[0] == 1 < known.shape[1]
        side = math.isqrt(known.shape[1] - 1) if known is not None and is_grid else 0
        if known is None or not side or side**2 + 1 != known.shape[1] or self._grid == (side, side):
            return arrays
        return {**arrays, "pos_embed": resampled(known, Size(side, side), self._grid)}

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        """Return the class scores; Gluon calls this."""
        x = self._first(self.norm(self.blocks(self._tokens(x))))
        return x if self.head is None else self.head(x)


def resampled(embedding: Array, old: Size, new: Size) -> Array:
    """Return a position embedding (1, 1 + cells, channels) of a grid for another one, as timm does.

    Bicubic, and smoothed where the new grid is coarser (`antialias` of PyTorch's `interpolate`); the first position
    stays.
    """
    channels = embedding.shape[2]
    cells = embedding[0, 1:].astype(np.float64).reshape(*old, channels)
    cells = np.einsum("yi,xj,ijc->yxc", _bicubic(old.height, new.height), _bicubic(old.width, new.width), cells)
    return np.concatenate([embedding[:, :1], cells.reshape(1, -1, channels).astype(embedding.dtype)], axis=1)


def _bicubic(old: int, new: int) -> npt.NDArray[np.float64]:
    """Return how much each of `new` places along an axis takes of each of `old`: rows that sum to 1.

    Keys' kernel with a = -0.5 (Keys 1981, IEEE ASSP 29), as wide as the coarser of the two.
    """
    step = old / new
    centres = (np.arange(new) + 0.5) * step - 0.5
    x = np.abs(np.arange(old) - centres[:, None]) / max(step, 1.0)
    near, far = (1.5 * x - 2.5) * x**2 + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def build(size: Size, classes: int, **options: Any) -> VisionTransformer:
    """Return a network for images of a size, with no weights yet."""
    return VisionTransformer(size, classes, **options)
