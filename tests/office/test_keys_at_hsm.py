"""Keys that lie in an HSM: it says what they are, or nobody does."""

import asyncio
import json
import random
import threading
import time
from contextlib import contextmanager

import pytest
from cli_runs import one_line, posswitch

from posswitch.base.registry import Address
from posswitch.crypto.ciphers import kcv
from posswitch.crypto.commands import CheckKey, Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.office.checks import NOT_VERIFIED, REFUSED
from posswitch.office.hsm_answers import asked_of
from posswitch.settings.config import HsmPlan, load_config
from posswitch.sim.city import HOST, build_city, free_ports
from posswitch.sim.peers.hsm_box import HsmBox, Mood

BANK, TERMINAL = "90010000", "10000001"
NEW = bytes.fromhex("3F419E1CB7079442AA37474C2EFBF8B8")


@contextmanager
def serving(box):
    """The HSM on the network, beside the program."""
    loop = asyncio.new_event_loop()
    at = loop.run_until_complete(box.open(HOST))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield at
    finally:
        loop.call_soon_threadsafe(box.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def box():
    return HsmBox(bytes(range(32)), random.Random(1))


@pytest.fixture
def folder(box, tmp_path):
    """A city whose keys lie in the HSM that serves."""
    with serving(box) as at:
        build_city(tmp_path, 1, 4, box=box, hsm_links=[str(at)])
        yield tmp_path


@pytest.fixture
def keys(capsys, folder):
    return lambda *words: posswitch(capsys, "keys", *words, "--data", folder)


def listed(ended):
    return {line["place"]: line for line in json.loads(ended.out)["keys"]}


def test_the_hsm_says_what_its_keys_are(keys, folder, box, capsys):
    rows = listed(keys("list", "--json"))
    config = load_config(folder / "posswitch.toml", serve=False)
    for table, columns in (("bank", ("zpk", "zak")), ("terminal", ("tmk",))):
        for row in getattr(config.registry, f"{table}s").values():
            for column in columns:
                kind = {"zpk": "001", "zak": "008", "tmk": "002"}[column]
                clear = box._open(kind, getattr(row, column))
                line = rows[f"{table}/{row.id}/{column}"]
                assert (line["check"], line["bits"]) == (kcv(clear).hex().upper(), 128)
    said = posswitch(capsys, "registry", "show", "bank", BANK, "--data", folder)
    assert f"check value {rows[f'bank/{BANK}/zpk']['check']}" in said.out
    said = posswitch(capsys, "registry", "list", "terminal", "--data", folder)
    assert f"check value {rows[f'terminal/{TERMINAL}/tmk']['check']}" in said.out


@pytest.mark.parametrize("mood", [Mood.SILENT, Mood.ILL, Mood.GARBAGE])
def test_when_it_does_not_answer_nobody_knows(keys, box, mood, folder, capsys):
    box.mood = mood
    started = time.monotonic()
    said = keys("list", "--json")
    assert time.monotonic() - started < 8
    assert {line["check"] for line in listed(said).values()} == {NOT_VERIFIED}
    said = posswitch(capsys, "check", "-c", folder / "posswitch.toml")
    assert said.code == 0
    assert f"hsm.links: 12 keys {NOT_VERIFIED}; look at the HSM" in said.out
    said = posswitch(capsys, "registry", "check", "--data", folder)
    assert said.code == 0
    assert f"note: 12 keys {NOT_VERIFIED}" in said.out


def test_when_nobody_listens_it_is_said_soon(box):
    link = Address(HOST, free_ports(1)[0])
    started = time.monotonic()
    wrapped = box.wrap(Usage.ZPK, NEW)
    assert asked_of(HsmPlan((link, link), 1.0), [(Usage.ZPK, wrapped)]) == {}
    assert time.monotonic() - started < 1


def test_many_keys_are_asked_about(box):
    chance = random.Random(3)
    wanted = [(Usage.ZPK, box.wrap(Usage.ZPK, chance.randbytes(16))) for _ in range(400)]
    with serving(box) as at:
        said = asked_of(HsmPlan((at, at), 1.0), wanted)
    assert len(said) == len(wanted)
    assert REFUSED not in said.values()
    assert len(set(said.values())) > 390


def test_keys_of_every_usage_and_length(box):
    lengths = {Usage.TMK: (16, 24), Usage.ZPK: (16, 24), Usage.ZAK: (16,), Usage.ZMK: (16, 24)}
    wanted = [
        (usage, box.wrap(usage, (NEW + NEW)[:length][::-1]))
        for usage, sizes in lengths.items()
        for length in sizes
    ]
    with serving(box) as at:
        said = asked_of(HsmPlan((at,), 1.0), wanted)
    kinds = {Usage.TMK: "002", Usage.ZPK: "001", Usage.ZAK: "008", Usage.ZMK: "000"}
    assert said == {key: kcv(box._open(kinds[key[0]], key[1])).hex().upper() for key in wanted}


def test_a_key_of_another_hsm_is_refused(folder, capsys):
    path = folder / "posswitch.toml"
    config = load_config(path, serve=False)
    mine = config.registry.banks[BANK].zpk
    other = HsmBox(bytes(32), random.Random(2))
    foreign = other.wrap(Usage.ZPK, NEW)  # parity tells, all but once in 65536
    path.write_text(path.read_text().replace(mine.decode(), foreign.decode()))
    said = posswitch(capsys, "check", "-c", path)
    assert said.code == 1
    assert f"error: bank {BANK}: zpk: refused by the HSM; copy it as the HSM shows it, as a ZPK" in said.out
    line = path.read_text()[: path.read_text().index(foreign.decode())].count("\n") + 1
    assert f"posswitch.toml:{line}:" in said.out
    said = posswitch(capsys, "registry", "check", "--data", folder)
    assert said.code == 1
    assert f"bank {BANK}: zpk: refused by the HSM; copy it" in said.out


def test_keys_are_not_formed_here(keys):
    for words in (
        ("form", "ZMK", "--bank", BANK),
        ("components", "ZMK", "--to", "a", "--to", "b"),
        ("import", "ZPK", "--bank", BANK, "--block", "B"),
    ):
        said = keys(*words, "--by", "Chen")
        assert said.code == 2
        assert "at the HSM's own console, then give it with posswitch keys form --wrapped" in said.err
        assert one_line(said.err)


def test_a_key_from_the_console_is_verified_by_the_hsm(keys, box, folder):
    wrapped = box.wrap(Usage.ZMK, NEW).decode()
    words = ("form", "ZMK", "--bank", BANK, "--by", "Chen", "--wrapped", wrapped)
    assert "give --check VALUE" in keys(*words).err
    assert "another one was given" in keys(*words, "--check", "000000").err
    said = keys(*words, "--check", kcv(box._open("000", wrapped.encode()), 3).hex())
    assert said.code == 0, said.err
    ended = keys("confirm", 1, "--by", "Wang")
    assert f"bank/{BANK}/zmk: check value" in ended.out
    assert listed(keys("list", "--json"))[f"bank/{BANK}/zmk"]["check"] in ended.out
    said = keys("export", "--bank", BANK, "--key", "zpk", "--by", "Li")
    assert "export it at the HSM's own console" in said.err
    box.mood = Mood.SILENT
    said = keys(*words, "--check", "000000")
    assert f"ZMK: {NOT_VERIFIED}; nothing was done" in said.err


def test_a_wrapped_key_without_an_hsm(capsys, tmp_path):
    build_city(tmp_path, 1, 2)
    words = ("form", "ZMK", "--bank", BANK, "--by", "Chen", "--wrapped", "U" + "0" * 32, "--check", "000000")
    said = posswitch(capsys, "keys", *words, "--data", tmp_path)
    assert "there is no HSM in the configuration" in said.err


def test_the_hsm_in_software_answers_the_same_command():
    hsm = SoftHsm(bytes(32), bytes)
    assert hsm.do(CheckKey(Usage.ZPK, hsm.wrap(Usage.ZPK, NEW))) == kcv(NEW)
