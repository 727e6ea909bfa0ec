"""`python -m nas.cli` is the `nas` command."""

from nas.cli import main

main()
