"""Makes `.venv` with everything installed, or removes all that this clone has made: `bootstrap.py [clean]`.

Needs nothing but Python; this file is also understood by Python 3.6, so that an old one ends in a sentence.
"""

import sys
from pathlib import Path

MINIMUM = (3, 11)


def main() -> int:
    """Run the command named on the command line; the exit status."""
    version = tuple(sys.version_info[:2])
    if version < MINIMUM:
        sys.stderr.write(
            f"Carbonflow needs Python 3.11 or later, and this is {version[0]}.{version[1]}: "
            "install a newer one and name it, as in `make demo PYTHON=python3.12`.\n"
        )
        return 1
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from deploy.local import environment

    return environment.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
