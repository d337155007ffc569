"""The working keys of terminals: made at a sign-on, told from others by the MAC, overlapping for a while."""

from collections.abc import Callable

from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Registry, Terminal
from posswitch.codec.message import Value
from posswitch.crypto.commands import MacFits, NewKey, Usage, Work
from posswitch.crypto.pinblock import PinFormat
from posswitch.crypto.signon import DOUBLE_AND_TRACK, sign_on_sizes
from posswitch.edge.mistrust import Mistrust
from posswitch.edge.sealed import LineKeys, Reply
from posswitch.engine.state import Session
from posswitch.settings.clock import Clock

_SIGN_ON_NS = NS_PER_S  # a sign-on is not signed and costs a record: one a second for each terminal,
_SIGN_ON_BURST = 3  # and so many at once: people try again


class TerminalKeys:
    """Reads the registry, counts what does not fit, and limits sign-ons."""

    def __init__(self, registry: Registry, clock: Clock, overlap_s: float, mistrust: Mistrust) -> None:
        self._registry = registry
        self._tick_ns: Callable[[], int] = clock.tick_ns
        self._wall_ns: Callable[[], int] = clock.wall_ns
        self._overlap_ns = int(overlap_s * NS_PER_S)
        self._mistrust = mistrust
        self._signs_on_from_ns: dict[str, int] = {}  # when a terminal's allowance is whole again

    def __repr__(self) -> str:
        return f"<keys of terminals, {self._mistrust!r}>"

    # A message

    def of(
        self, session: Session, row: Terminal, covered: bytes, mac: Value | None, reply: Reply
    ) -> Work[LineKeys | None]:
        """The keys that field 64 over `covered` was made with; None when none of the terminal's fit."""
        keys: LineKeys | None = None
        if isinstance(mac, bytes):
            keys = line_keys(session, row)
            if not (yield MacFits(Usage.TAK, keys.tak, keys.mac, covered, mac)):
                keys = yield from self._before(session, keys, covered, mac)
        if keys is None or not self._mistrust.quiet:
            self._mistrust.terminal(row.id, self._link_of(reply), fits=keys is not None)
        return keys

    def _before(self, session: Session, now: LineKeys, covered: bytes, mac: bytes) -> Work[LineKeys | None]:
        """Those before the last sign-on: a stranger may have asked for ones that were never used."""
        if session.before is None or self._wall_ns() - session.since_ns > self._overlap_ns:
            return None
        keys = LineKeys(*session.before, now.mac, now.pin_block)
        return keys if (yield MacFits(Usage.TAK, keys.tak, keys.mac, covered, mac)) else None

    def _link_of(self, reply: Reply) -> str:
        """How people call where a connection comes from."""
        source = self._registry.source_of(reply.certificate)
        return source.id if source is not None else reply.peer

    # A sign-on

    def may_sign_on(self, terminal: str) -> bool:
        """Spends one of the terminal's sign-ons, unless they are spent (the generic cell rate algorithm)."""
        now = self._tick_ns()
        whole = max(self._signs_on_from_ns.get(terminal, now), now)
        if whole - now > (_SIGN_ON_BURST - 1) * _SIGN_ON_NS:
            return False
        self._signs_on_from_ns[terminal] = whole + _SIGN_ON_NS
        return True

    def made(self, layout: str, mac: str) -> Work[tuple[bytes, bytes, bytes] | None]:
        """New keys for PIN, MAC and track as field 60.3 asks; None when none is long enough for the MAC."""
        tpk_bytes, tak_bytes = sign_on_sizes(layout, mac)
        if not tak_bytes:
            return None
        tpk: bytes = yield NewKey(Usage.TPK, tpk_bytes)
        tak: bytes = yield NewKey(Usage.TAK, tak_bytes)
        tdk: bytes = (yield NewKey(Usage.TDK)) if layout == DOUBLE_AND_TRACK else b""
        return tpk, tak, tdk


def line_keys(session: Session, row: Terminal) -> LineKeys:
    """The keys of the last sign-on, and how the terminal uses them."""
    return LineKeys(session.tpk, session.tak, session.tdk, row.mac, PinFormat(row.pin_block))
