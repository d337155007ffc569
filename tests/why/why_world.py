"""The engine's world, asked why: its journal under a configuration, and all that is said of a payment."""

from pathlib import Path

import msgspec
from world import ACQUIRER, BANK, NODE, World

from posswitch.base.registry import Bank, Registry
from posswitch.office.why import one
from posswitch.office.why_bank import bank_message
from posswitch.office.why_cashier import cashier
from posswitch.office.why_customer import customer
from posswitch.office.why_evidence import Evidence
from posswitch.office.why_operator import operator
from posswitch.settings.config import Config, load_config
from posswitch.sim.city import build_city

REGISTERS = {"cashier": cashier, "operator": operator, "bank": bank_message, "customer": customer}
_BANK = Bank(BANK, "甲银行", "Bank A", (), b"", b"", contact="值班室", phone="021-5555")


def told_config(folder: Path) -> Config:
    """A configuration under which a world's journal can be read."""
    config = load_config(build_city(folder, 1, 1).config, serve=False)
    return msgspec.structs.replace(config, node=NODE, acquirer=ACQUIRER, registry=Registry([_BANK]))


def config_of(base: Config, world: World) -> Config:
    return msgspec.structs.replace(base, data=world.folder, timers=world.rules.timers)


def evidence_of(base: Config, world: World, payment: int = 0, now_ns: int = 0) -> Evidence:
    """What is known of a payment, the last one without a number."""
    found = one(config_of(base, world), payment or world.payment, now_ns or world.at_ns)
    assert found is not None
    return found


def texts_of(evidence: Evidence) -> dict[str, tuple[str, str]]:
    """Every register, Chinese and English."""
    return {name: tuple(tells(evidence)) for name, tells in REGISTERS.items()}
