"""After a life of payments nothing that must not be stored stands in any file of the node."""

import base64
import os
import zlib

import apsw
import msgspec
import pytest
from edge_till import POS
from edge_town import until
from hypothesis import given
from hypothesis import strategies as st

from leak_search import Search, leaks, leaks_in, spellings
from posswitch.crypto.ciphers import tdes_decrypt


def of_card(name, bought):
    return {
        f"{name} PAN": bought.pan,
        f"{name} track 2": bought.track2,
        f"{name} track 2 =": bought.track2.replace("D", "="),
    }


def of_till(name, till):
    return {f"{name} TPK": till.pik, f"{name} TAK": till.mak, f"{name} TMK": till.fitting.tmk}


def of_pin(name, block, key):
    return {f"{name} PIN block": block, f"{name} clear PIN block": tdes_decrypt(key, block)}


async def lived(switch):
    """Every way that a payment can end; returns every secret that the node has met."""
    till, bank = await switch.till(), switch.banks[0]
    cards = {
        name: switch.bought()
        for name in ("approved", "declined", "unknown", "refused", "damaged", "repeated")
    }
    cards["expired"] = msgspec.structs.replace(switch.bought(), expiry="1912")
    secrets = {"root": bytes.fromhex((switch.city.folder / "secret.key").read_text().strip())}
    for plan in switch.city.banks:
        secrets |= {f"{plan.id} ZPK": plan.zpk, f"{plan.id} ZAK": plan.zak}
    asked = await switch.forwarded(till, cards["approved"])
    secrets |= of_pin("bank's", asked[52], bank.plan.zpk)
    secrets |= of_pin("terminal's", POS.unpack(till.cable.said[-1]).fields[52], till.pik)
    bank.answer(asked)
    await till.answer()
    assert (await till.answered(till.reversal(cards["approved"]))).fields[39] == "00"
    bank.answer(await switch.forwarded(till, cards["declined"]), "51")
    await till.answer()
    await switch.forwarded(till, cards["unknown"])
    assert (await till.answer()).fields[39] == "98"
    assert (await till.answered(till.sale(cards["expired"]))).fields[39] == "54"
    assert (await till.answered(till.sale(cards["refused"], changes={22: None}))).fields[39] == "30"
    damaged = till.sale(cards["damaged"])
    await till.ask(damaged[:-1] + bytes((damaged[-1] ^ 1,)))
    till.cable.put(till.sale(cards["damaged"])[:40])
    asked = await switch.forwarded(till, cards["repeated"])
    till.cable.put(till.sale_again())
    bank.say(asked, bank.made(asked)[:90])
    bank.answer(asked)
    await till.answer()
    await until(lambda: not switch.gauges()["open_payments"])
    secrets |= of_till("first", till)
    await till.sign_on()
    secrets |= of_till("second", till)
    for name, bought in cards.items():
        secrets |= of_card(name, bought)
    return secrets


async def test_no_secret_stands_in_any_file_living_killed_or_stopped(lone_switch, capfd):
    data = lone_switch.city.data
    secrets = await lived(lone_switch)
    assert {"journal.db", "journal.db-wal", "vitals.db", "node.log"} <= {path.name for path in data.iterdir()}
    assert leaks(data, secrets) == []
    assert leaks_in(lone_switch.city.config.read_bytes(), secrets) == []
    lone_switch.supervisor.kill()
    await until(lambda: lone_switch.supervisor.restarts == 1)
    assert leaks(data, secrets) == []
    await lone_switch.linked()
    await lone_switch.supervisor.stop()
    assert leaks(data, secrets) == []
    said = "".join(capfd.readouterr())
    assert leaks_in(said.encode(), secrets) == []


async def test_the_search_would_find_what_the_books_of_the_peers_hold(lone_switch):
    secrets = {"PAN": lone_switch.bought().pan}
    (lone_switch.city.data / "planted.log").write_text(f"card {secrets['PAN']} declined\n")
    assert leaks(lone_switch.city.data, secrets) == ["planted.log: PAN as raw"]


PAN, KEY = "6290010000000211", bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PLANTED = {
    "text": f"pan={PAN};".encode(),
    "BCD": b"\x16" + bytes.fromhex(PAN) + b"\x00",
    "BCD at the odd nibble": bytes.fromhex("0" + PAN + "0"),
    "hex of its text": PAN.encode().hex().encode(),
    **{f"base64 behind {n}": base64.b64encode(b"x" * n + PAN.encode() + b"yz") for n in range(3)},
    "a key": b"key " + KEY,
    "a key in hex": f"<{KEY.hex()}>".encode(),
    "a key in HEX": KEY.hex().upper().encode(),
    "a key as base64": base64.b64encode(b"12" + KEY),
    "a key as base64url": base64.urlsafe_b64encode(KEY),
}


@pytest.mark.parametrize("how", PLANTED)
def test_a_planted_leak_is_found(tmp_path, how):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(os.urandom(500) + PLANTED[how] + os.urandom(500))
    assert leaks(tmp_path, {"secret": KEY if how.startswith("a key") else PAN})


def test_clean_files_are_clean(tmp_path):
    (tmp_path / "clean").write_bytes(os.urandom(20_000) + b"6290011111110211")
    assert leaks(tmp_path, {"PAN": PAN, "key": KEY}) == []
    assert all(len(spelt) >= 8 for spelt in spellings(PAN).values())


TRACK = f"{PAN}D49122010021100000"
MANY = Search(
    {f"PAN {number}": f"62900{number:011d}" for number in range(500)} | {"key": KEY, "track": TRACK}
)


@given(
    before=st.binary(max_size=40),
    after=st.binary(max_size=40),
    spelt=st.sampled_from([*spellings(KEY).items(), *spellings(TRACK).items()]),
)
def test_every_spelling_is_found_anywhere_among_many(before, after, spelt):
    how, planted = spelt
    assert any(line.endswith(f" as {how}") for line in MANY.of(before + planted + after))


@given(number=st.integers(0, 499), half=st.sampled_from(["", "7"]), before=st.binary(max_size=20))
def test_packed_digits_are_found_from_either_half_of_a_byte(number, half, before):
    digits = f"{half}62900{number:011d}{half}"
    found = MANY.of(before + bytes.fromhex(digits) + b"more than eight bytes")
    assert f"PAN {number} as BCD" in found


def test_what_is_packed_or_in_a_database_is_looked_into(tmp_path):
    (tmp_path / "packed").write_bytes(
        os.urandom(99) + zlib.compress(b"track " * 9 + TRACK.encode()) + b"more"
    )
    db = apsw.Connection(str(tmp_path / "some.db"))
    db.execute("CREATE TABLE t (a, b)")
    db.execute(
        "INSERT INTO t VALUES (1, ?)", (b"x" * 4075 + PAN.encode() + b"y" * 4000,)
    )  # over a page's end
    db.close()
    found = leaks(tmp_path, {"PAN": PAN, "track": TRACK})
    assert {"packed, unpacked: track as raw", "some.db, a value: PAN as raw"} <= set(found)
