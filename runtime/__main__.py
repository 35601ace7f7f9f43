"""`python -m runtime` is `ftr`."""

from runtime.cli import main

main()
