"""A city whose node has written eleven records."""

from one_sale import IDENTITY, RULES, START_NS, sale
from posswitch.crypto.vault import Vault
from posswitch.edge.start import journal_key
from posswitch.engine.apply import apply
from posswitch.engine.decide import decide
from posswitch.engine.events import NodeRestarted, TerminalSignedOn
from posswitch.engine.facts import NO_FACTS
from posswitch.journal.sqlite import Journal
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret
from posswitch.sim.city import build_city

EVENTS = [
    NodeRestarted("20270115", "v", IDENTITY),
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
    key = journal_key(Vault(read_secret(config.secret), bytes))
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
