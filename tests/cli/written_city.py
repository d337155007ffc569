"""A city whose node has written eleven records."""

from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Limits
from posswitch.crypto.hsm import SoftHsm
from posswitch.edge.start import journal_key
from posswitch.engine.apply import apply
from posswitch.engine.decide import Rules, decide
from posswitch.engine.events import NodeRestarted, RequestArrived, TerminalSignedOn
from posswitch.engine.facts import NO_FACTS
from posswitch.journal.sqlite import Journal
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret
from posswitch.sim.city import SHORT_TIMERS, build_city

START_NS = 1_800_000_000 * NS_PER_S
RULES = Rules(SHORT_TIMERS, Limits())


def sale(number):
    """A sale that goes out to its bank."""
    return RequestArrived(
        0, "sale", f"48020000|10000001|000001|{number:06d}|2", "10000001", "802440354110001", "000001",
        f"{number:06d}", 1000 + number, "156", "000000", "022", "00", "4912", bytes(44), b"%016d" % number,
        16, "0211", True, "90010000", "5411", "22000001000601", False, "v",
    )  # fmt: skip


EVENTS = [
    NodeRestarted("20270115", "v", "1/48020000/00010000"),
    *(
        TerminalSignedOn(0, f"{10_000_001 + number}", "000001", bytes(44), bytes(36), "v")
        for number in range(5)
    ),
    *(sale(number) for number in range(1, 6)),
]


def write_city(folder):
    """Its configuration, and a journal of eleven records under five open payments."""
    city = build_city(folder, 1, 12)
    config = load_config(city.config)
    key = journal_key(SoftHsm(read_secret(config.secret), bytes))
    journal = Journal(config.data, key)
    state = journal.recover(config.node)
    for number, event in enumerate(EVENTS):
        at_ns = START_NS + number
        journal.begin()
        decision = decide(state, event, NO_FACTS, at_ns, RULES)
        seq, record = journal.append(at_ns, event, decision.verdict)
        apply(state, seq, record)
        journal.commit()
    journal.snapshot(state)
    journal.close()
