"""A node that makes and checks no MACs, to measure their cost: `python -m posswitch.sim.unsigned_node`."""

import sys
from pathlib import Path

from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.edge.process import run_node
from posswitch.settings.config import load_config
from posswitch.settings.handing import take_handed


class _Unsigned(SoftHsm):
    """Every MAC is zeros, and every MAC fits."""

    __slots__ = ()

    def mac(self, usage: Usage, key: bytes, how: str, data: bytes) -> bytes:
        """Nothing is computed."""
        return bytes(8)

    def mac_fits(self, usage: Usage, key: bytes, how: str, data: bytes, mac: bytes) -> bool:
        """Nothing is compared."""
        return True


if __name__ == "__main__":
    take_handed()
    run_node(load_config(Path(sys.argv[2])), _Unsigned)
