"""`python -m rtstrf` is the command `rtstrf`."""

import sys

from rtstrf.cli.main import main

sys.exit(main())
