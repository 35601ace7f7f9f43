"""`python -m runtime` is `ftr`. What interrupts the program while it still loads is no traceback."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line."""
    try:
        gc.disable()  # of what loads nothing is garbage, and looking for it takes time
        from runtime.cli import main as run

        gc.enable()
        run()
    except KeyboardInterrupt:  # the commands see to their own: this is before them
        sys.stderr.write("interrupted before anything was done\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
