"""The zone keys of each bank as the edge uses them: of its row, or exchanged since."""

from collections.abc import Callable

from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Registry
from posswitch.crypto.commands import Usage
from posswitch.engine.state import State
from posswitch.engine.zone import accepted, in_force


class Zone:
    """Reads registry and state, never changes them."""

    def __init__(
        self, registry: Registry, state: State, wall_ns: Callable[[], int], overlap_s: float
    ) -> None:
        self._registry = registry
        self._state = state
        self._wall_ns = wall_ns
        self._overlap_ns = int(overlap_s * NS_PER_S)

    def __repr__(self) -> str:
        return f"<zone keys: {len(self._state.zone)} exchanged>"

    def given(self, bank: str, usage: Usage) -> bytes:
        """The key of the bank's row."""
        row = self._registry.banks[bank]
        return row.zak if usage is Usage.ZAK else row.zpk

    def pin_key(self, bank: str) -> bytes:
        """The ZPK in force."""
        return in_force(self._state, bank, Usage.ZPK, self._registry.banks[bank].zpk)

    def mac_key(self, bank: str) -> bytes:
        """The ZAK in force."""
        return in_force(self._state, bank, Usage.ZAK, self._registry.banks[bank].zak)

    def mac_keys(self, bank: str) -> tuple[bytes, ...]:
        """Every ZAK that the bank's messages may be under now, the one in force first."""
        overlap_from_ns = self._wall_ns() - self._overlap_ns
        return accepted(self._state, bank, Usage.ZAK, self._registry.banks[bank].zak, overlap_from_ns)
