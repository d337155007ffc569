"""Banks and terminals that make MACs, PIN blocks and keys in every way that a configuration can name."""

import json

import pytest
from demo_short import counted

from posswitch.crypto.pinblock import PinFormat
from posswitch.settings.algorithms import BANK_MACS, TERMINAL_MACS, TERMINAL_PINS
from posswitch.sim import city
from posswitch.sim.peers.pos import Seals

FORMS = ("", " hex", " binary")
KEY_OF_16 = [name for name in BANK_MACS if name != "x9.9"]
BANKS = [(name + FORMS[place % 3], pin) for place, (name, pin) in enumerate(
    zip(KEY_OF_16, (PinFormat.ISO_0, PinFormat.ISO_3) * 3, strict=False)
)]  # fmt: skip
LAYOUT = {"cup-ecb": "003", "x9.9": "001", "x9.19": "004", "tdes-cbc": "003"}
TERMINALS = [Seals(mac, pin, LAYOUT[mac]) for pin in TERMINAL_PINS for mac in TERMINAL_MACS]


@pytest.mark.parametrize("banks", [BANKS[:4], BANKS[2:]], ids=["triple DES and AES", "and SM4"])
def test_every_way_comes_to_approvals_and_nothing_is_lost(tmp_path, monkeypatch, banks):
    monkeypatch.setattr(city, "_BANK_SEALS", banks)
    monkeypatch.setattr(city, "_TERMINAL_SEALS", TERMINALS)
    report = counted(tmp_path, seconds=5)
    assert {name: report[name] for name in ("lost", "duplicated", "unknown", "verify")} == {
        "lost": 0, "duplicated": 0, "unknown": 0, "verify": "ok",
    }  # fmt: skip
    slips = [json.loads(line) for path in tmp_path.rglob("slips*.jsonl") for line in path.open()]
    ledgers = {path.stem: path.read_text() for path in tmp_path.rglob("ledger-*.jsonl")}
    assert all('"approve"' in text for text in ledgers.values())
    assert len(ledgers) == 4
    assert not [slip for slip in slips if slip["code"] == "99"]
    by_seals: dict[int, list[bool]] = {}
    for slip in slips:
        by_seals.setdefault(int(slip["terminal"]) % len(TERMINALS), []).append(slip["code"] == "55")
    # Some customers mistype their PIN; a block that cannot be read would be 55 every time.
    assert all(sum(wrong) < max(3, len(wrong) / 4) for wrong in by_seals.values())
    approved = {slip["terminal"] for slip in slips if slip["outcome"] == "approved"}
    assert len(approved) >= len(TERMINALS) / 2  # a busy machine does not come to all
