"""Random lives of a node: short tuples of numbers become events, well-formed and odd, gathered in batches.

Run as a program it prints a digest of the journal's bodies: the same for every PYTHONHASHSEED.
"""

import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from world import BANK, OTHER_BANK, World, bodies

from posswitch.base.registry import Change, Merchant
from posswitch.engine.events import (
    AnswerArrived,
    AnswerSpoiled,
    BatchTotaled,
    DayTurned,
    DeliveryExpired,
    Event,
    Item,
    ItemsUploaded,
    NotSent,
    RegistryChanged,
    TerminalSignedOff,
    TerminalSignedOn,
    TimerFired,
    Undelivered,
    UploadEnded,
)
from posswitch.engine.lifecycle import ADVISING
from posswitch.scheme.settlement import Side

Step = tuple[str, int, int]  # what, of which, how

CODES = ("00", "00", "51", "68", "A0", "09", "11", "ZZ", "")
REVERSAL_CODES = ("00", "25", "12", "22", "96", "")
ODD_SALES = (
    {"luhn_ok": False},
    {"bank": ""},
    {"bank": "01990000"},
    {"expiry": "2001"},
    {"amount_minor": 0},
    {"amount_minor": 4_000_000},
    {"pan_digits": 3},
    {"expiry": "ab"},
)
BUILDING = (
    "void", "refund", "preauth-void", "completion", "completion-void", "completion-notice", "refund",
)  # fmt: skip
ODD_BUILDINGS = (
    {}, {}, {}, {}, {"amount_minor": 4_000}, {"amount_minor": 11_500}, {"amount_minor": 11_501},
    {"pan_print": b"", "bank": "", "pan_digits": 0, "luhn_ok": False}, {"merchant": "M00000000000002"},
    {"orig_stan": "999999"}, {"orig_rrn": ""}, {"auth": "XXXXXX"}, {"orig_date": "0101"},
)  # fmt: skip
ADVICE_CODES = ("00", "00", "96", "51", "A0", "")
ODD_REPEATS = ({}, {}, {"amount_minor": 1}, {"currency": "840"}, {"kind": "refund"})
ODD_REVERSALS = ({}, {}, {"amount_minor": 1}, {"pan_print": b""}, {"pan_print": b"x"}, {"key": "never seen"})
ODD_ANSWERS = (
    {"amount_minor": 1},
    {"pan_print": b""},
    {"rrn": ""},
    {"rrn": "0000A0000001"},
    {"terminal": ""},
    {"merchant": ""},
    {"mti": "0430"},
    {"mti": "0810"},
    {"bank": OTHER_BANK},
    {"bank": "nobody"},
    {"stan": 999_999},
    {"f7": ""},
    {"code": "\u4e2d"},
)


class Story:
    """A world and what its terminals have asked for, grown step by step."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.requests = [world.request()]
        self.payments = [0, 10**6]
        self.batch: list[Event] = []

    def play(self, batches: Sequence[Sequence[Step]]) -> None:
        """Each batch of steps is one transaction, unless a turn of the node cuts it."""
        for steps in batches:
            for name, which, how in steps:
                if name in EVENTS:
                    event = EVENTS[name](self, which, how)
                    self.batch += [] if event is None else [event]
                else:
                    self.flush()
                    TURNS[name](self, which, how)
            self.flush()

    def flush(self) -> None:
        """The gathered events become a transaction."""
        self.world.submit(*self.batch)
        self.batch = []
        self.payments = [0, 10**6, *self.world.asked]

    def sale(self, which: int, how: int) -> Event:
        """One of three cards buys, sometimes at the other bank, sometimes oddly."""
        odd = ODD_SALES[how] if how < len(ODD_SALES) else {"bank": (BANK, OTHER_BANK)[how % 2]}
        request = self.world.request(f"card {which % 3}", **odd)
        self.requests.append(request)
        return request

    def build(self, which: int, how: int) -> Event | None:
        """A terminal builds on a payment, sometimes oddly."""
        payments = [*self.world.asked, *self.world.advices][-LATELY:]
        if not payments:
            return None
        kind = pick(BUILDING, how)
        request = self.world.building(kind, pick(payments, which), **pick(ODD_BUILDINGS, how * 7 + which))
        self.requests.append(request)
        return request

    def fresh(self, which: int, how: int) -> Event:
        """A payment of another kind that builds on nothing."""
        kind = pick(("preauth", "preauth", "balance", "offline-sale"), how)
        amount_minor = 0 if kind == "balance" else 10_000
        request = self.world.request(f"card {which % 3}", kind=kind, amount_minor=amount_minor)
        self.requests.append(request)
        return request

    def acknowledged(self, which: int, how: int) -> Event | None:
        """A bank answers an advice."""
        advices = list(self.world.advices.values())[-LATELY:]
        return self.world.answer_of(pick(ADVICE_CODES, how), pick(advices, which)) if advices else None

    def settle(self, which: int, how: int) -> Event | None:
        """A terminal settles its batch, rightly or not, names payments, or says that it has named all."""
        terminal = pick([*self.world.state.sessions, ""], which + 1)
        if not terminal:
            return None
        batch, stan = pick(("000001", "000002"), how), f"{900_000 + how}"
        head = (self.world.ticket(), terminal, "M00000000000001", batch, stan)
        item = Item(pick(self.requests, which).stan, 10_000, b"", False)
        return pick(
            (
                BatchTotaled(*head, Side(10_000 * (how % 3), how % 3), Side(), f"00{batch}201"),
                ItemsUploaded(*head, (item,) * (1 + how % 2), f"00{batch}201"),
                UploadEnded(*head, 1, f"00{batch}202"),
                TerminalSignedOff(head[0], terminal, stan, f"00{batch}002"),
            ),
            how,
        )

    def registry(self, which: int, how: int) -> Event:
        """The office orders a version of the registry, the next one or not."""
        version = self.world.state.registry + pick((0, 2, 1, 1), how)
        merchant = Merchant(f"M{how:014d}", "SHOP", "SHENZHEN", "5411")
        drop = (("terminal", f"T000000{which % 2}"),) if how % 3 else ()
        return RegistryChanged(Change(version, (merchant,), drop))

    def repeat(self, which: int, how: int) -> Event:
        """A sale comes again."""
        request = pick(self.requests, which)
        return replace(request, ticket=self.world.ticket(), **pick(ODD_REPEATS, how))

    def reversal(self, which: int, how: int) -> Event:
        """A terminal takes a sale back."""
        return self.world.reversal_of(pick(self.requests, which), **pick(ODD_REVERSALS, how))

    def answer(self, which: int, how: int) -> Event | None:
        """A bank answers a request, perhaps for the second time."""
        asked = list(self.world.asked.values())[-LATELY:]
        return self.world.answer_of(pick(CODES, how), pick(asked, which)) if asked else None

    def odd_answer(self, which: int, how: int) -> Event | None:
        """A bank's answer that does not fit its request, or any."""
        asked = [*self.world.asked.values()][-LATELY:] + [*self.world.reversals.values()][-LATELY:]
        odd = {"code": "00", **pick(ODD_ANSWERS, how)}
        return self.world.answer_of(asked=pick(asked, which), **odd) if asked else None

    def stray(self, which: int, how: int) -> Event:
        """An answer to nothing, matched by its RRN if at all."""
        rrn = self.world.state.rrn(self.world.at_ns, 1 + which)
        return AnswerArrived(BANK, "0210", 1 + how, "0615100000", "00", "", rrn, 1, "", "", b"", "")

    def spoiled(self, which: int, how: int) -> Event | None:
        """A bank's answer with a wrong MAC."""
        asked = list(self.world.asked.values())[-LATELY:]
        if not asked:
            return None
        of = pick(asked, which)
        return AnswerSpoiled(of.request.bank, of.stan, of.f7, "answer's MAC is wrong")

    def reversed(self, which: int, how: int) -> Event | None:
        """A bank answers a reversal."""
        reversals = list(self.world.reversals.values())[-LATELY:]
        if not reversals:
            return None
        return self.world.answer_of(pick(REVERSAL_CODES, how), pick(reversals, which), "0430")

    def of_payment(self, which: int, how: int) -> Event:
        """A timer, a failed sending, a vanished terminal or a lane at its end, of any payment or none."""
        payment = pick(self.payments[:2] + self.payments[2:][-LATELY:], which)
        return pick(
            (
                TimerFired(payment),
                NotSent(payment, "91", "no link to the bank"),
                Undelivered(payment),
                DeliveryExpired(payment),
            ),
            how,
        )

    def sign_on(self, which: int, how: int) -> Event:
        """One of two terminals gets new keys."""
        return TerminalSignedOn(self.world.ticket(), f"T000000{which % 2}", "000001", bytes([how]), b"", "c1")

    def day(self, which: int, how: int) -> Event:
        """The settlement date changes, or is said again."""
        return DayTurned(f"202606{14 + which % 4}")

    def wait(self, which: int, how: int) -> None:
        """Time passes or steps back."""
        self.world.wait(pick((0, 1, 30, 60, 121, 4000, -5), which))

    def link(self, which: int, how: int) -> None:
        """A bank's links come or go."""
        self.world.serving[pick((BANK, OTHER_BANK), which)] = how % 5 > 0

    def lanes(self, which: int, how: int) -> None:
        """The lanes send what they have."""
        for bank in list(self.world.state.lanes):
            self.world.send_lane(bank)

    def snapshot(self, which: int, how: int) -> None:
        """The journal keeps the state."""
        self.world.journal.snapshot(self.world.state)

    def restart(self, which: int, how: int) -> None:
        """The node ends and comes back."""
        self.world.restart()

    def heal(self) -> None:
        """Everything under way comes to its end: timers fire, banks answer, lanes drain."""
        world = self.world
        world.submit(*(TimerFired(payment) for payment in world.state.flights))
        world.wait(world.rules.timers.flight_max)
        world.submit(
            *(world.answer_of("00", world.reversals[payment], "0430") for payment in world.reversing())
        )
        world.submit(
            *(
                world.answer_of("00", world.advices[flight.payment])
                for flight in world.state.flights.values()
                if flight.state == ADVISING
            )
        )


EVENTS: dict[str, Callable[[Story, int, int], Event | None]] = {
    "sale": Story.sale,
    "build": Story.build,
    "fresh": Story.fresh,
    "acknowledged": Story.acknowledged,
    "settle": Story.settle,
    "registry": Story.registry,
    "repeat": Story.repeat,
    "reversal": Story.reversal,
    "answer": Story.answer,
    "odd answer": Story.odd_answer,
    "stray": Story.stray,
    "spoiled": Story.spoiled,
    "reversed": Story.reversed,
    "of payment": Story.of_payment,
    "sign on": Story.sign_on,
    "day": Story.day,
}
TURNS: dict[str, Callable[[Story, int, int], None]] = {
    "wait": Story.wait,
    "link": Story.link,
    "lanes": Story.lanes,
    "snapshot": Story.snapshot,
    "restart": Story.restart,
}
_USUAL = 5  # what happens most
STEPS = (
    *("sale", "answer") * _USUAL,
    *("build", "fresh", "acknowledged") * 2,
    "repeat",
    "reversal",
    "of payment",
    "reversed",
    *EVENTS,
    *TURNS,
)
NUMBER_MAX = 31
_MEMORY = "/dev/shm"
LATELY = 5  # payments that most steps choose from


def pick(of: Sequence[Any], which: int) -> Any:
    """The last is 0, so that small numbers mean what happened lately."""
    return of[-1 - which % len(of)]


def short_lived() -> tempfile.TemporaryDirectory[str]:
    """A folder for one story, in memory where there is some: no power fails here, and a disk costs time."""
    return tempfile.TemporaryDirectory(dir=_MEMORY if Path(_MEMORY).is_dir() else None)


def random_batches(seed: int, count: int) -> list[list[Step]]:
    """`count` batches of five steps, always the same for a seed."""
    dice = random.Random(seed)
    return [
        [(dice.choice(STEPS), dice.randint(0, NUMBER_MAX), dice.randint(0, NUMBER_MAX)) for _ in range(5)]
        for _ in range(count)
    ]


def main(seed: int, count: int) -> None:
    """Plays one long story and prints the digest of what was recorded."""
    with short_lived() as folder:
        story = Story(World(Path(folder)))
        story.play(random_batches(seed, count))
        found = [body for _, body in bodies(Path(folder))]
        story.world.close()
    print(len(found), sha256(b"".join(found)).hexdigest())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
