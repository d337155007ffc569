"""What the node holds against terminals, cards and banks: the product's own guards and mistrust."""

from collections import Counter
from collections.abc import Callable

from posswitch.base.codes import APPROVALS
from posswitch.base.moment import NS_PER_S
from posswitch.edge.guards import Guards
from posswitch.edge.mistrust import MAC, OUR_MAC, PIN, Mistrust
from posswitch.engine.events import RequestArrived
from posswitch.journal.vitals import Gauges
from posswitch.scheme.kinds import BAD_MAC, SALE, WRONG_PIN
from posswitch.settings.machine import GuardsTable, KeysTable
from posswitch.sim.unrest.bank import Door
from posswitch.sim.unrest.town import Town

_REKEY_PAUSE_NS = 60 * NS_PER_S  # after a bank took no new key, doubling
_DOUBLED_MAX = 6


def card_print(card: int) -> bytes:
    """What stands for the fingerprint of a card."""
    return card.to_bytes(4, "big") * 4


class Doubts:
    """Told of everything that the node's edge would tell them."""

    def __init__(self, town: Town, wall_ns: Callable[[], int]) -> None:
        self._wall_ns = wall_ns
        self.counts: Counter[str] = Counter()
        self.began()
        for card in town.cards.tolist():
            self._greet(card)

    def __repr__(self) -> str:
        return f"<doubts: {self.guards!r}, {self.mistrust!r}>"

    def began(self) -> None:
        """A node has begun: it has forgotten everything."""
        self.guards = Guards(GuardsTable(), self._wall_ns)
        self.mistrust = Mistrust(self._wall_ns, KeysTable().misfits)
        self.counts.clear()

    def _greet(self, card: int) -> None:
        """A card has paid before."""
        self.guards.answered(
            request_of(0, SALE.name, "", "", "000001", 1, "051", card, "", "", False), "00", "", "", 0
        )

    def answered(self, request: RequestArrived, code: str, place: str, now_ns: int) -> None:
        """A terminal was told something about a payment."""
        self.guards.answered(request, code, request.bin, place, now_ns)

    def terminal_mac(self, terminal: str, source: str, fits: bool) -> None:
        """A terminal's MAC was looked at."""
        if not fits or not self.mistrust.quiet:
            self.mistrust.terminal(terminal, source, fits=fits)

    def bank_mac(self, door: Door, fits: bool, now_ns: int) -> None:
        """The MAC of a bank's answer was looked at."""
        if (not fits or not self.mistrust.quiet) and self.mistrust.bank(door.bank.id, MAC, fits=fits):
            self._want_keys(door, now_ns)

    def bank_said(self, door: Door, request: RequestArrived, code: str, now_ns: int) -> None:
        """A bank's word may be about our keys."""
        bank, fits = door.bank.id, code != BAD_MAC
        if (not fits or not self.mistrust.quiet) and self.mistrust.bank(bank, OUR_MAC, fits=fits):
            self._want_keys(door, now_ns)
        if code in WRONG_PIN or (not self.mistrust.quiet and code in APPROVALS):
            pin_fits = code in APPROVALS
            if request.has_pin and self.mistrust.bank(bank, PIN, fits=pin_fits, who=request.terminal):
                self._want_keys(door, now_ns)

    def _want_keys(self, door: Door, now_ns: int) -> None:
        """The bank is offered new keys; one that takes none is left alone for a while."""
        if now_ns < door.next_rekey_ns:
            return
        pause_ns = _REKEY_PAUSE_NS << min(door.rekeys_failed, _DOUBLED_MAX)
        door.next_rekey_ns = now_ns + pause_ns
        if door.habits.rekeys:
            self.counts["zone-key-taken"] += 1
            door.rekeys_failed = 0
        else:
            self.counts["zone-key-failed"] += 1
            door.rekeys_failed += 1

    def gauges(self, now_ns: int) -> Gauges:
        """As the node's vitals tell them."""
        gauges = self.guards.gauges(now_ns)
        for scope, count in self.mistrust.standing().items():
            gauges[f"misfit_{scope}s"] = count
        for name, count in self.counts.items():
            gauges[f"count.{name}"] = count
        return gauges


def request_of(
    number: int, kind: str, terminal: str, merchant: str, stan: str, amount: int, entry: str, card: int,
    bank: str, bin_: str, has_pin: bool,
) -> RequestArrived:  # fmt: skip
    """A request as the edge admits it; what nobody looks at is empty."""
    return RequestArrived(
        number, kind, "", terminal, merchant, "000001", stan, amount, "156", "", entry, "", "", b"",
        card_print(card) if card else b"", 16, f"{card % 10_000:04d}", True, bank, "", "", has_pin, "",
        bin=bin_,
    )  # fmt: skip
