"""`python -m composer` is `muster`."""

import sys

from composer.cli.main import main

sys.exit(main())
