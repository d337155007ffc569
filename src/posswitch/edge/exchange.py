"""New zone keys for banks: when they are asked for, by schedule, and when MACs or PINs do not fit any more.

One exchange at a time for a bank, its MAC key first. An offer is a durable record before it leaves; what the
bank says decides, and an answer that is lost does no harm: every key it may use is accepted.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial

import msgspec
import structlog

from posswitch.base.codes import APPROVALS
from posswitch.base.errors import PosswitchError
from posswitch.base.moment import NS_PER_S, stamp
from posswitch.base.registry import Bank, Registry
from posswitch.codec import Message
from posswitch.crypto.commands import ExportKey, Hsm, NewKey, Usage, Work
from posswitch.crypto.mac import MACS, mac_in_words
from posswitch.crypto.pinblock import PinFormat
from posswitch.edge.connector import Links
from posswitch.edge.dress import Dresser
from posswitch.edge.hear import Hearing
from posswitch.edge.mistrust import MAC, OUR_MAC, PIN, Mistrust
from posswitch.edge.zone import Zone
from posswitch.engine.effects import OfferKey
from posswitch.engine.events import AnswerArrived, Event, ZoneKeyOffered, ZoneKeyTaken
from posswitch.engine.state import State
from posswitch.scheme.kinds import BAD_MAC, KEY_WORDS, WRONG_PIN, text
from posswitch.settings.clock import Clock
from posswitch.settings.machine import KeysTable

USAGES = (Usage.ZAK, Usage.ZPK)
_USAGE_OF = {word: Usage(usage) for usage, word in KEY_WORDS.items()}
_TRIES_MAX = 3  # of one offer
_PAUSE_S, _PAUSE_S_MAX = 60.0, 3600.0  # after an exchange that failed, doubling
_HOUR_NS, _HEED_NS = 3600 * NS_PER_S, 10 * NS_PER_S
_USUAL_BYTES = 16
ASKED, ORDERED, SCHEDULED, MISFITS = "the bank asked", "ordered", "by schedule", "keys do not fit"

log = structlog.get_logger()


class _Offer(msgspec.Struct):
    """A key on its way to a bank."""

    usage: Usage
    key: bytes
    sent: tuple[bytes, bytes]  # under the zone master key, and its check value
    stan: str = ""
    tries: int = 0
    due_ns: int = 0

    def __repr__(self) -> str:
        return f"<offer of a {self.usage}, try {self.tries}>"


class _Progress(msgspec.Struct):
    """Where the exchanges of one bank are."""

    offer: _Offer | None = None
    making: bool = False
    wanted: dict[Usage, str] = {}  # and why
    failed: int = 0  # in a row
    not_before_ns: int = 0
    heeds_from_ns: int = 0  # when the bank may end such a pause again


class Exchange:
    """All exchanges of a node; `beat` is called about twice a second."""

    def __init__(
        self,
        plan: KeysTable,
        registry: Registry,
        state: State,
        zone: Zone,
        mistrust: Mistrust,
        hsm: Hsm,
        dresser: Dresser,
        hearing: Hearing,
        clock: Clock,
        submit: Callable[[Event], None],
        links: dict[str, Links],
        answer_s: float,
        next_stan: Callable[[], str],
    ) -> None:
        self._plan = plan
        self._registry = registry
        self._state = state
        self._zone = zone
        self._mistrust = mistrust
        self._hsm = hsm
        self._dresser = dresser
        self._hearing = hearing
        self._clock = clock
        self._submit = submit
        self._links = links
        self._answer_ns = int(answer_s * NS_PER_S)
        self._next_stan = next_stan
        self._banks: dict[str, _Progress] = {}
        self.counts: Counter[str] = Counter()

    def __repr__(self) -> str:
        under_way = sum(one.offer is not None for one in self._banks.values())
        return f"<exchange of zone keys, {under_way} under way>"

    def want(self, bank: str, usage: Usage, why: str) -> None:
        """A new key is needed, now; one that is under way already is enough."""
        progress, row = self._of(bank), self._registry.banks[bank]
        if row.zmk and (progress.offer is None or progress.offer.usage is not usage):
            progress.wanted.setdefault(usage, why)
            self._look(row, progress, self._clock.tick_ns())

    def beat(self) -> None:
        """Begins what is due, repeats what was not answered, gives up what was repeated enough."""
        tick_ns = self._clock.tick_ns()
        for bank in self._registry.banks.values():
            if bank.zmk:
                self._look(bank, self._of(bank.id), tick_ns)

    def _look(self, bank: Bank, progress: _Progress, tick_ns: int) -> None:
        if progress.offer is not None:
            if progress.offer.due_ns <= tick_ns:
                self._again(bank.id, progress, progress.offer)
        elif not progress.making and tick_ns >= progress.not_before_ns and self._ready(bank.id):
            self._begin(bank, progress)

    # Why a new key is needed

    def _due(self, bank: Bank, progress: _Progress) -> tuple[Usage, str] | None:
        """The first key that is needed, and why."""
        oldest_ns = self._clock.wall_ns() - self._plan.exchange_hours * _HOUR_NS
        for usage in USAGES:
            if usage in progress.wanted:
                return usage, progress.wanted[usage]
            if (bank.id, usage) in self._state.rekey:
                return usage, ORDERED
            held = self._state.zone.get((bank.id, usage))
            since_ns = held.since_ns if held and held.given == self._zone.given(bank.id, usage) else 0
            if self._plan.exchange_hours and since_ns <= oldest_ns:
                return usage, SCHEDULED
        return None

    # One exchange

    def _begin(self, bank: Bank, progress: _Progress) -> None:
        due = self._due(bank, progress)
        if due is None:
            return
        usage, why = due
        progress.making = True
        self._hsm.run(
            _made(bank, usage), partial(self._offered, bank, usage, why), partial(self._unmade, bank.id)
        )

    def _offered(self, bank: Bank, usage: Usage, why: str, made: tuple[bytes, tuple[bytes, bytes]]) -> None:
        """The HSM has made a key: recorded first, sent when that is durable."""
        key, sent = made
        progress = self._of(bank.id)
        progress.making = False
        progress.offer = _Offer(usage, key, sent, due_ns=self._clock.tick_ns() + self._answer_ns)
        log.info("zone key offered", bank=bank.id, usage=usage, why=why, check=sent[1].hex().upper())
        self._submit(ZoneKeyOffered(bank.id, usage, self._zone.given(bank.id, usage), key, why))

    def _unmade(self, bank: str, _: PosswitchError) -> None:
        self._of(bank).making = False
        self._fail(bank, "the HSM makes no key")

    def release(self, effect: OfferKey) -> None:
        """The offer is durable: it may leave."""
        progress = self._of(effect.bank)
        if progress.offer is not None and progress.offer.usage == effect.usage:
            self._send(effect.bank, progress.offer)

    def _send(self, bank: str, offer: _Offer) -> None:
        offer.tries += 1
        offer.stan = self._next_stan()
        offer.due_ns = self._clock.tick_ns() + self._answer_ns
        zak = offer.key if offer.usage is Usage.ZAK else self._zone.mac_key(bank)
        work = self._dresser.key_offer(
            bank, offer.usage, offer.stan, stamp(self._clock.wall_ns()), offer.sent, zak
        )
        self._hsm.run(work, partial(self._leave, bank), _left_to_its_timer)

    def _leave(self, bank: str, payload: bytes) -> None:
        links = self._links.get(bank)
        if links is not None:
            links.send(payload)

    def _again(self, bank: str, progress: _Progress, offer: _Offer) -> None:
        if offer.tries < _TRIES_MAX:
            self._send(bank, offer)
        else:
            progress.offer = None
            self._fail(bank, "no answer")

    def _fail(self, bank: str, why: str) -> None:
        """Tried again after a pause that grows; payments go on with the keys that there are."""
        progress = self._of(bank)
        pause_s = min(_PAUSE_S * 2**progress.failed, _PAUSE_S_MAX)
        progress.failed = min(progress.failed + 1, 16)
        progress.not_before_ns = self._clock.tick_ns() + int(pause_s * NS_PER_S)
        self.counts["zone-key-failed"] += 1
        log.warning("zone key not exchanged", bank=bank, why=why, again_in_s=pause_s)

    # What the bank says

    def asked(self, bank: str, message: Message) -> str:
        """The answer (field 39) to a bank that asks for a key: whatever it wants, it gets new ones soon."""
        usage = _USAGE_OF.get(text(message, 53)[:1])
        if usage is None or not self._registry.banks[bank].zmk:
            return "40"
        self.counts["zone-key-asked"] += 1
        progress, tick_ns = self._of(bank), self._clock.tick_ns()
        if tick_ns >= progress.heeds_from_ns:  # no pause of ours keeps a bank waiting that can answer
            progress.heeds_from_ns = tick_ns + _HEED_NS
            progress.not_before_ns = 0
        self.want(bank, usage, ASKED)
        return "00"

    def answered(self, bank: str, message: Message) -> None:
        """The bank's word about an offer counts only with a MAC that proves it."""
        offer = self._of(bank).offer
        if offer is None or text(message, 11) != offer.stan:
            self.counts["zone-key-answer-strayed"] += 1
            return
        work = self._hearing.signed_with(bank, message)
        self._hsm.run(work, partial(self._judged, bank, offer, text(message, 39)), _left_to_its_timer)

    def _judged(self, bank: str, offer: _Offer, code: str, zak: bytes) -> None:
        progress = self._of(bank)
        if progress.offer is not offer:
            return
        if code == "00" and (zak == offer.key if offer.usage is Usage.ZAK else zak):
            self._take(bank, progress, offer)
        elif code != "00":
            progress.offer = None
            self._fail(bank, f"the bank answers {code[:2]}")
        else:
            self.counts["zone-key-answer-unsigned"] += 1

    def fitted(self, bank: str, zak: bytes) -> None:
        """A MAC of the bank fits a key, or none. One under an offered key says as well that it was taken."""
        progress, zone = self._banks.get(bank), self._state.zone.get((bank, Usage.ZAK))
        if progress is not None and progress.offer is not None and progress.offer.key == zak:
            self._take(bank, progress, progress.offer)
        elif zone is not None and zak in zone.offered:  # of before a restart: its answer was lost
            self._submit(ZoneKeyTaken(bank, Usage.ZAK, zak))
        if self._mistrust.bank(bank, MAC, fits=bool(zak)):
            self.want(bank, Usage.ZAK, MISFITS)

    def heard(self, event: AnswerArrived) -> None:
        """When our MAC never fits at a bank, or nobody's PIN is right, the key that it has is another one."""
        fits = event.code != BAD_MAC
        if not (fits and self._mistrust.quiet) and self._mistrust.bank(event.bank, OUR_MAC, fits=fits):
            self.want(event.bank, Usage.ZAK, MISFITS)
        if event.code not in WRONG_PIN and (self._mistrust.quiet or event.code not in APPROVALS):
            return
        flight = self._state.flight_of_answer(event.bank, event.stan, event.f7)
        if flight is not None and flight.request.has_pin:
            fits, who = event.code in APPROVALS, flight.request.terminal
            if self._mistrust.bank(event.bank, PIN, fits=fits, who=who):
                self.want(event.bank, Usage.ZPK, MISFITS)

    def _take(self, bank: str, progress: _Progress, offer: _Offer) -> None:
        progress.offer, progress.failed, progress.not_before_ns = None, 0, 0
        progress.wanted.pop(offer.usage, None)
        self.counts["zone-key-taken"] += 1
        log.info("zone key taken", bank=bank, usage=offer.usage, check=offer.sent[1].hex().upper())
        self._submit(ZoneKeyTaken(bank, offer.usage, offer.key))

    # Little things

    def _of(self, bank: str) -> _Progress:
        found = self._banks.get(bank)
        if found is None:
            found = self._banks[bank] = _Progress()
        return found

    def _ready(self, bank: str) -> bool:
        links = self._links.get(bank)
        return links is not None and links.ready() and self._hsm.ready


def _made(bank: Bank, usage: Usage) -> Work[tuple[bytes, tuple[bytes, bytes]]]:
    """A new key of the length that its use wants: as we keep it, and as the bank gets it."""
    if usage is Usage.ZAK:
        kind = MACS[mac_in_words(bank.mac)[0]]
        size = _USUAL_BYTES if _USUAL_BYTES in kind.key_bytes else kind.key_bytes[0]
        odd = kind.block_bytes < _USUAL_BYTES
    else:
        size, odd = _USUAL_BYTES, bank.pin_block != PinFormat.ISO_4
    key: bytes = yield NewKey(usage, size, odd)
    sent: tuple[bytes, bytes] = yield ExportKey(bank.zmk, usage, key)
    return key, sent


def _left_to_its_timer(_: PosswitchError) -> None:
    """Nothing left, or nothing could be judged: the offer is made again when its time is over."""
