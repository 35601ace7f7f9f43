"""The zoos' bases beside torchvision's and timm's networks, as a table: `python bench/torch_pairs.py [NETWORK …]`.

Both have the same random weights and statistics of norms; PyTorch's outputs are those that
`tests/fixtures/make_torch_outputs.py` recorded. The relative error is the largest difference of 32 random sums of the
features over the largest of them. Ends with 1 where one is above 1e-4.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/runtime/models")]

from test_pytorch import CASES, difference  # noqa: E402


def main() -> int:
    """Print a line for each pair."""
    worst = 0.0
    print("| base | network of PyTorch | relative error |\n|---|---|---|")
    for gluon, network, side in CASES:
        if not sys.argv[1:] or gluon in sys.argv[1:]:
            error = difference(gluon, network, side)
            worst = max(worst, error)
            print(f"| `{gluon}` | {network} | {error:.1e} |", flush=True)
    return int(worst >= 1e-4)


if __name__ == "__main__":
    sys.exit(main())
