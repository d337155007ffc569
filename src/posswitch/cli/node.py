"""The node's own process: `python -m posswitch.cli.node -c FILE`; the supervisor starts it."""

import sys
from pathlib import Path

from posswitch.base.errors import PosswitchError
from posswitch.edge.process import run_node
from posswitch.settings.config import load_config
from posswitch.settings.handing import take_handed


def main(argv: list[str]) -> int:
    """Serves until stopped; 2 when the configuration or the journal cannot be used."""
    if len(argv) != 2 or argv[0] != "-c":
        print("usage: python -m posswitch.cli.node -c FILE", file=sys.stderr)
        return 2
    try:
        take_handed()
        run_node(load_config(Path(argv[1])))
    except (PosswitchError, OSError) as error:
        print(f"posswitch: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
