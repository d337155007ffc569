"""A short life of a journal on a simulated disk, and what must be left of it whenever the disk fails."""

import random
from pathlib import Path

import apsw

from one_sale import IDENTITY, RULES, START_NS, sale
from posswitch.engine.apply import apply
from posswitch.engine.decide import decide
from posswitch.engine.events import AnswerArrived, NodeRestarted, TerminalSignedOn
from posswitch.engine.facts import NO_FACTS
from posswitch.engine.state import pack_state
from posswitch.journal.sqlite import Journal
from posswitch.journal.verify import verify
from posswitch.sim.world.disk import Disk

FOLDER, KEY, NODE = Path("/world"), b"chain key of the tests, 32 bytes", "1"
KILL, POWER_CUT, FAILED, FULL = "kill", "power cut", "failed", "full"
_ERRORS = {FAILED: apsw.IOError, FULL: apsw.FullError}


class Dead(BaseException):
    """The process is no more."""


def answer(state, payment):
    """The bank's approval of a payment under way."""
    flight = state.flights[payment]
    asked = flight.request
    return AnswerArrived(
        asked.bank, "0210", flight.stan, flight.f7, "00", "A00001", flight.rrn, asked.amount_minor,
        asked.terminal, asked.merchant, asked.pan_print, "0115",
    )  # fmt: skip


def turns():
    """The events of each transaction, as functions of the state."""
    yield [lambda state: NodeRestarted("20270115", "v", IDENTITY)]
    yield [lambda state: TerminalSignedOn(0, "10000001", "000001", bytes(44), bytes(36), "v")]
    for number in range(1, 9):
        yield [
            lambda state, number=number: sale(10 * number),
            lambda state, number=number: sale(10 * number + 1),
        ]
        yield [lambda state: answer(state, min(state.flights))]


class Life:
    """One process with a journal: `acked` is the last record that anybody may have been told of."""

    def __init__(self, disk):
        self.journal = Journal(FOLDER, KEY, disk)
        self.state = self.journal.recover(NODE)
        self.acked = self.state.seq

    def lives(self):
        """The turns that are left; a snapshot and a head's sync on the way."""
        packed, done = {}, 0
        for turn in turns():
            done += len(turn)
            if done <= self.state.seq:  # a life before this one has recorded it
                continue
            self.journal.begin()
            for make in turn:
                event, at_ns = make(self.state), START_NS + self.state.seq
                decision = decide(self.state, event, NO_FACTS, at_ns, RULES)
                seq, record = self.journal.append(at_ns, event, decision.verdict)
                apply(self.state, seq, record)
                packed[seq] = pack_state(self.state)
            self.journal.commit()
            self.acked = self.state.seq
            if self.acked in (11, 17):
                self.journal.snapshot(self.state)
                self.journal.sync_head()
        return packed


class Trial:
    """A life that ends at a chosen step of its disk, and what comes after it."""

    def __init__(self, seed):
        self.living = {"1": None}
        self.disk = Disk(f"trial-{seed}", random.Random(seed), lambda life: life in self.living)
        self.disk.life = "1"
        self.steps = 0
        self.acked = 0
        self.kept = []  # what the dead held stays open

    def run(self, step=0, kind=""):
        """Lives until it dies at `step`, or to its end; the states after each record."""
        self.steps = 0

        def before(what):
            self.steps += 1
            if self.steps == step:
                self.end(kind)

        self.disk.before = before
        packed, life = {}, None
        try:
            life = Life(self.disk)
            self.kept.append(life)
            packed = life.lives()
            life.journal.close()
        except (Dead, apsw.Error, OSError):
            if not self.living:
                pass
            elif kind in _ERRORS:
                self.living.clear()  # the first failed write ends a node
            else:
                raise
        except Exception as error:
            if self.living and kind not in _ERRORS:
                raise
            self.kept.append(error)
            self.living.clear()
        self.acked = max(self.acked, life.acked if life else 0)
        return packed

    def end(self, kind):
        """What happens at the chosen step."""
        if kind in _ERRORS:
            raise _ERRORS[kind]("injected")
        self.living.clear()
        if kind == POWER_CUT:
            self.disk.power_cut()
        raise Dead

    def again(self):
        """Another process begins on what is left."""
        self.disk.life = str(int(self.disk.life) + 1)
        self.living[self.disk.life] = None
        self.disk.before = lambda what: None

    def left(self, expected):
        """What a start finds wrong: nothing acknowledged may be missing, the state is that of its record."""
        self.again()
        life = Life(self.disk)
        state = life.state
        wrong = []
        if state.seq < self.acked:
            wrong.append(f"record {self.acked} was acknowledged, {state.seq} is the last")
        if state.seq and pack_state(state) != expected[state.seq]:
            wrong.append(f"the state after record {state.seq} is another")
        life.journal.close()
        return wrong + verify(FOLDER, KEY, NODE, self.disk)

    def close(self):
        """Lets go of the disk."""
        self.disk.close()
