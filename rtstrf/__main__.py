"""`python -m rtstrf` is the command `rtstrf`."""

import sys

from rtstrf.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
