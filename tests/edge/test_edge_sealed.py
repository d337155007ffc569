"""Tickets and wires by themselves: erased in time, never shown; one write a turn, and none to the dead."""

import pytest

from posswitch.base.bounds import FRAME_BYTES_MAX, UNSENT_BYTES_MAX_TERMINAL
from posswitch.base.card import Pan, Track2
from posswitch.edge.sealed import Ticket, Tickets
from posswitch.edge.wire import Wire

PAN, TRACK2, PIN_BLOCK = "6290010000000211", "6290010000000211D49122010021100000", b"\x12\x34\x56\x78" * 2


def ticket():
    return Ticket(None, b"header", None, Pan(PAN), Track2(TRACK2), PIN_BLOCK)


def test_a_ticket_is_found_until_it_is_erased():
    tickets, sealed = Tickets(100), ticket()
    number = tickets.seal(sealed, 5)
    assert tickets.get(number) is sealed
    assert sealed.born_ns == 5
    tickets.erase(number)
    tickets.erase(number)
    assert tickets.get(number) is None
    assert len(tickets) == 0


def test_numbers_are_never_given_twice():
    tickets = Tickets(100)
    first = tickets.seal(ticket(), 0)
    tickets.erase(first)
    assert tickets.seal(ticket(), 0) != first


def test_a_ticket_is_erased_at_its_deadline_and_not_before():
    tickets = Tickets(100)
    old, young = tickets.seal(ticket(), 0), tickets.seal(ticket(), 50)
    tickets.sweep(99)
    assert tickets.get(old) is not None
    tickets.sweep(100)
    assert tickets.get(old) is None
    assert tickets.get(young) is not None
    tickets.sweep(149)
    assert len(tickets) == 1
    tickets.sweep(150)
    assert len(tickets) == 0


def test_a_sweep_passes_over_what_was_erased_before():
    tickets = Tickets(100)
    erased, kept = tickets.seal(ticket(), 0), tickets.seal(ticket(), 60)
    tickets.erase(erased)
    tickets.sweep(120)
    assert tickets.get(kept) is not None
    assert len(tickets) == 1


def test_a_ticket_shows_nothing_of_what_it_seals():
    sealed = ticket()
    for text in (repr(sealed), str(sealed), f"{[sealed]}", repr(Tickets(1))):
        assert PAN not in text
        assert PAN[-4:] not in text
        assert repr(PIN_BLOCK) not in text
    assert not hasattr(sealed, "__dict__"), "nothing can be hung on it"


class Transport:
    """A transport that keeps what is written."""

    def __init__(self):
        self.writes = []
        self.unsent_bytes_max = 0
        self.closing = False
        self.aborted = False

    def write(self, data):
        self.writes.append(bytes(data))

    def set_write_buffer_limits(self, high):
        self.unsent_bytes_max = high

    def get_extra_info(self, name, default=None):
        return default

    def abort(self):
        self.aborted = True

    def close(self):
        self.closing = True

    def is_closing(self):
        return self.closing or self.aborted


class Listening(Wire):
    """A wire that keeps what it hears."""

    def __init__(self, prefix="bin2"):
        self.now_ns = 1
        self.dirty = {}
        super().__init__(prefix, UNSENT_BYTES_MAX_TERMINAL, lambda: self.now_ns, self.dirty)
        self.heard = []
        self.ends = 0

    def received(self, payload):
        self.heard.append(payload)

    def closed(self):
        self.ends += 1


@pytest.fixture
def wire():
    wire = Listening()
    wire.transport = Transport()
    wire.connection_made(wire.transport)
    return wire


def test_what_a_turn_queues_leaves_in_one_write(wire):
    assert wire.send(b"one")
    assert wire.send(b"two")
    assert wire.transport.writes == []
    assert list(wire.dirty) == [wire]
    wire.flush()
    assert wire.transport.writes == [b"\0\3one\0\3two"]
    wire.flush()
    assert len(wire.transport.writes) == 1


def test_prefixes_of_banks_are_digits():
    wire = Listening("ascii4")
    wire.connection_made(transport := Transport())
    wire.send(b"x" * 12)
    wire.flush()
    assert transport.writes == [b"0012" + b"x" * 12]


def test_nothing_can_be_sent_before_or_after_the_connection():
    wire = Listening()
    assert not wire.alive
    assert not wire.send(b"early")
    wire.connection_made(transport := Transport())
    assert wire.send(b"x")
    wire.connection_lost(None)
    assert not wire.send(b"late")
    wire.flush()
    assert transport.writes == []
    assert wire.ends == 1


@pytest.mark.parametrize("how", ["close", "cut"])
def test_a_connection_that_ends_takes_nothing(wire, how):
    getattr(wire, how)()
    assert (wire.transport.closing, wire.transport.aborted) == (how == "close", how == "cut")
    assert not wire.alive
    assert not wire.send(b"x")
    assert not wire.dirty


def test_who_does_not_read_is_cut_at_the_cap(wire):
    assert wire.transport.unsent_bytes_max == UNSENT_BYTES_MAX_TERMINAL
    wire.pause_writing()
    assert wire.transport.aborted
    assert not wire.send(b"x")


def test_a_wire_without_a_connection_can_be_cut_and_closed():
    wire = Listening()
    wire.cut()
    wire.close()
    wire.flush()


def test_frames_are_handed_on_in_order_and_times_are_kept(wire):
    wire.now_ns = 10
    wire.data_received(b"\0\1a\0\1b\0\2c")
    assert wire.heard == [b"a", b"b"]
    assert (wire.heard_ns, wire.frame_ns) == (10, 10)
    wire.now_ns = 20
    wire.data_received(b"")
    assert wire.frame_ns == 10
    wire.data_received(b"c")
    assert wire.heard == [b"a", b"b", b"cc"]
    assert (wire.heard_ns, wire.frame_ns) == (20, 0)


def test_a_frame_beyond_the_cap_is_cut(wire):
    wire.data_received((FRAME_BYTES_MAX + 1).to_bytes(2, "big"))
    assert wire.transport.aborted
    assert wire.heard == []


def test_a_frame_at_the_cap_is_taken(wire):
    wire.data_received(FRAME_BYTES_MAX.to_bytes(2, "big") + bytes(FRAME_BYTES_MAX))
    assert len(wire.heard[0]) == FRAME_BYTES_MAX
    assert not wire.transport.aborted
