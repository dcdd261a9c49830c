"""``python -m wavetank``: the command line.

It refuses to know any command.
"""

import sys

from wavetank.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
