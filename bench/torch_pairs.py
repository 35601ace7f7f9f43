"""The zoos' bases beside torchvision's and timm's networks, as a table: `python bench/torch_pairs.py [BASE …]`.

Both have the same random weights and statistics of norms; PyTorch's outputs are those that
`tests/fixtures/make_torch_outputs.py` recorded. The relative error is the largest difference of 32 random sums of the
features over the largest of them. Ends with 1 where one is above 1e-4.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/runtime/models")]

from test_pytorch import CASES, difference  # noqa: E402

HEADER = """# Networks of torchvision and timm whose files fit the zoos' bases

Written by `python bench/torch_pairs.py --write docs/torch-pairs.md`. Both have the same random weights and statistics
of norms; the error is the largest difference of 32 random sums of the features, over the largest of them.
"""


def main() -> int:
    """Print a line for each pair."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("names", nargs="*")
    words.add_argument("--write", type=Path)
    given = words.parse_args()
    errors, lines = [0.0], ["| base | network of PyTorch | relative error |", "|---|---|---|"]
    for gluon, network, side in CASES:
        if not given.names or gluon in given.names:
            errors.append(difference(gluon, network, side))
            lines.append(f"| `{gluon}` | {network} | {errors[-1]:.1e} |")
            print(lines[-1], flush=True)
    if given.write:
        given.write.write_text("\n".join([HEADER, *lines, ""]))
    return int(max(errors) >= 1e-4)


if __name__ == "__main__":
    sys.exit(main())
