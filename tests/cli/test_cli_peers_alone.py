"""sim-bank and sim-terminal alone: silence, nonsense, keys that are told or not, and used wrongly."""

import json
import random
import re
import signal
import socket
import stat

import pytest
from cli_runs import one_line, posswitch
from peer_runs import PATIENCE_S, TMK, centre, side_by_side, sim_bank, sim_terminal

from posswitch.codec import Framer, Message, framed, load_dialect, swap_tpdu
from posswitch.scheme.kinds import answer_mti
from posswitch.sim.peers import cups

POS = load_dialect("pos")
ZPK, ZAK = bytes(range(16)), bytes(range(16, 32))


def test_a_silent_listener_is_given_up(tmp_path):
    with centre(lambda data: None) as where:
        ran = sim_terminal(where, "--tmk", TMK, "--wait", "0.1", "--tries", "2", "sign-on", "sale:1")
    assert ran.code == 1
    assert ran.steps() == {"sign-on": False}
    assert ran.find(event="step")[0]["why"] == "gave up: sign-on has no usable answer; not done: sale:1"
    asked = ran.find(event="exchange")
    assert [said["remarks"] for said in asked] == [["no answer within 0.1 s"]] * 2
    assert not any(said["answered"] for said in asked)


def test_where_nobody_listens_is_exit_1_and_says_so(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ended = posswitch(capsys, "sim-terminal", f"127.0.0.1:{port}", "--tmk", TMK, "--tries", "1", "echo")
    assert ended.code == 1
    assert f"! 127.0.0.1:{port}: " in ended.out


def signed_on(data, **other):
    """0810 to the one request in `data`, with the fields that a test wants."""
    (payload,) = Framer("bin2", 4096).feed(data)
    request = POS.unpack(payload)
    fields = {field: request.fields[field] for field in (11, 41, 42)}
    fields |= {39: "00", 60: "00000041003", 62: bytes(40), **{int(name[1:]): v for name, v in other.items()}}
    return framed("bin2", POS.pack(Message(answer_mti(request.mti), fields, swap_tpdu(request.header))))


def test_another_tmk_is_said_and_the_key_is_not(capsys):
    with centre(signed_on) as where:
        ended = posswitch(capsys, "sim-terminal", where, "--tmk", TMK, "sign-on")
    assert ended.code == 1
    assert "the PIN key does not fit its check value" in ended.out
    assert "is this the terminal's TMK?" in ended.out
    assert TMK not in (ended.out + ended.err).upper()


def test_what_a_centre_says_cannot_command_a_screen(capsys):
    with centre(lambda data: signed_on(data, f39="\x1b[", f37="\x1b[2J\x1b[1;31m"[:12].ljust(12))) as where:
        ended = posswitch(capsys, "sim-terminal", where, "--tmk", TMK, "sign-on")
    assert ended.code == 1
    assert "\x1b" not in ended.out


def nonsense_of(seed):
    """A centre that says what is none, or nearly an answer."""
    entropy = random.Random(seed)

    def nonsense(data):
        good = signed_on(data) if b"\x08\x00" in data[:20] else data
        spoiled = bytearray(good)
        for _ in range(entropy.randrange(1, 5)):
            spoiled[entropy.randrange(2, len(spoiled))] = entropy.randrange(256)
        return entropy.choice(
            [bytes(spoiled), entropy.randbytes(entropy.randrange(1, 300)), good[:-1] + b"\0"]
        )

    return nonsense


def test_a_centre_of_garbage_never_crashes_a_terminal():
    def ran(seed):
        with centre(nonsense_of(seed)) as where:
            return sim_terminal(where, "--tmk", TMK, "--wait", "0.2", "--tries", "4", "sign-on", "sale:1")

    for one in side_by_side(ran, 7, 8, 9):
        assert one.code == 1
        assert one.err == ""
        assert one.find(event="end")


def request(stan, mti="0200", **other):
    """What a centre sends to a bank in `cups`."""
    fields = {
        2: "6290010000000211", 3: "000000", 4: "000000001234", 7: "0115103000", 11: f"{stan:06d}",
        12: "103000", 13: "0115", 14: "4912", 18: "5411", 22: "022", 25: "00", 32: "48020000",
        33: "00010000", 37: "601510000001", 41: "10000001", 42: "802440354110001", 49: "156",
        **{int(name[1:]): value for name, value in other.items()},
    }  # fmt: skip
    message = Message(mti, fields)
    cups.sign(message, ZAK)
    return framed("ascii4", cups.packed(load_dialect("cups"), message, "90010000", "00010000"))


KEYS = ("--zpk", ZPK.hex(), "--zak", ZAK.hex())


def asked(line, *requests):
    """The payloads that a bank answers to `requests`."""
    framer, got = Framer("ascii4", 4096), []
    for sent in requests:
        line.sendall(sent)
        before = len(got)
        while len(got) == before:
            got += framer.feed(line.recv(65_536))
    return [load_dialect("cups").unpack(payload) for payload in got]


def test_a_bank_of_garbage_never_crashes_and_serves_on():
    entropy = random.Random(11)
    with sim_bank(*KEYS) as bank:
        for round_ in range(250):
            payload = bytearray(request(round_ + 1, entropy.choice(["0200", "0420", "0820", "0220", "0100"])))
            for _ in range(entropy.randrange(1, 6)):
                payload[entropy.randrange(4, len(payload))] = entropy.randrange(256)
            sent = entropy.choice([bytes(payload), payload[: entropy.randrange(1, len(payload))], b"99x9"])
            with socket.create_connection(bank.address, PATIENCE_S) as line:
                line.sendall(sent)
        with socket.create_connection(bank.address, PATIENCE_S) as line:
            line.settimeout(PATIENCE_S)
            (answer,) = asked(line, request(999))
        assert (answer.mti, answer.fields[39]) == ("0210", "00")
        bank.wait_for(note="cannot be cut into frames any more (malformed length prefix), hung up")
        code, err = bank.end()
    assert (code, err) == (0, "")
    assert bank.find(event="end")[0]["unreadable"] > 10


def test_a_bank_says_what_is_wrong():
    with sim_bank(*KEYS, "--pin", "4321") as bank:
        with socket.create_connection(bank.address, PATIENCE_S) as line:
            line.settimeout(PATIENCE_S)
            answers = asked(line, request(1, f14="1912"), request(2, f52=bytes(8)), request(3, f90="0" * 42))
        assert [answer.fields[39] for answer in answers] == ["54", "55", "30"]
        bank.end()
    assert [said.get("note") for said in bank.find(way="in")] == [
        "the card has expired",
        "the PIN block cannot be read with this ZPK",
        "field 90 names other institutions than fields 32 and 33",
    ]


def test_a_bank_dials_a_centre_that_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        where = f"127.0.0.1:{server.getsockname()[1]}"
        with sim_bank(*KEYS, "--dial", where) as bank:
            for stan in (1, 2):  # it comes again when the line has ended
                line, _ = server.accept()
                with line:
                    line.settimeout(PATIENCE_S)
                    assert asked(line, request(stan))[0].fields[39] == "00"
            assert bank.end() == (0, "")


def test_random_keys_are_told_once_with_check_values_or_kept_in_a_file(tmp_path):
    with sim_bank() as bank:
        bank.wait_for(event="listening")
        bank.process.send_signal(signal.SIGTERM)
        assert bank.process.wait(PATIENCE_S) == 0
    told = [said["note"] for said in bank.find(event="keys")]
    assert [words.split(" = ")[0] for words in told[:2]] == ["test key made: zpk", "test key made: zak"]
    assert re.fullmatch("check values: zpk [0-9A-F]{8}, zak [0-9A-F]{8}", told[2])
    kept = tmp_path / "keys.toml"
    checks = []
    for _ in range(2):
        with sim_bank("--keys", kept) as bank:
            said = bank.wait_for(event="keys")
            bank.wait_for(event="listening")  # before it, nobody takes Ctrl-C where it is ignored
            bank.end()
            assert bank.find(event="keys") == [said]
            checks.append(said["note"].partition("check values: ")[2])
            assert not any(len(word) == 32 for word in said["note"].split())
    assert checks[0] == checks[1] != ""
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_keys_that_were_given_are_never_shown():
    with sim_bank(*KEYS) as bank:
        bank.wait_for(event="listening")
        bank.end()
    shown = json.dumps(bank.said).lower()
    assert ZPK.hex() not in shown
    assert ZAK.hex() not in shown


HERE = "127.0.0.1:1"


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("sign-on",),
        (HERE, "--tmk", TMK),
        (HERE, "sign-on"),
        (HERE, "--tmk", "12", "sign-on"),
        (HERE, "--tmk", "@no-such-file", "sign-on"),
        (HERE, "--tmk", TMK, "sell:1.00"),
        (HERE, "--tmk", TMK, "sale"),
        (HERE, "--tmk", TMK, "sale:1.005"),
        (HERE, "--tmk", TMK, "sale:1,50"),
        (HERE, "--tmk", TMK, "sale:-1"),
        (HERE, "--tmk", TMK, "sale:99999999999"),
        (HERE, "--tmk", TMK, "sale:1", "void:1"),
        (HERE, "--tmk", TMK, "balance:1"),
        (HERE, "--tmk", TMK, "void"),
        (HERE, "--tmk", TMK, "preauth:1", "refund"),
        (HERE, "--tmk", TMK, "--pan", "123", "echo"),
        (HERE, "--tmk", TMK, "--pin", "12", "echo"),
        (HERE, "--tmk", TMK, "--pin", "1234", "--no-pin", "echo"),
        (HERE, "--tmk", TMK, "--expiry", "4913", "echo"),
        (HERE, "--tmk", TMK, "--terminal", "1", "echo"),
        (HERE, "--tmk", TMK, "--merchant", "店" * 15, "echo"),
        (HERE, "--tmk", TMK, "--slips", "no/such/folder/s.jsonl", "echo"),
        ("--data", "no-such-folder", "echo"),
        ("tls://127.0.0.1:1", "--tmk", TMK, "echo"),
        ("tls://127.0.0.1:1", "--tmk", TMK, "--authorities", "none.pem", "echo"),
        ("http://127.0.0.1:1", "--tmk", TMK, "echo"),
        (HERE, "--tmk", TMK, "--authorities", "none.pem", "echo"),
    ],
)
def test_a_terminal_used_wrongly_is_exit_2_and_one_line(capsys, words):
    ended = posswitch(capsys, "sim-terminal", *words)
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)
    assert TMK not in ended.err


@pytest.mark.parametrize(
    "words",
    [
        ("--listen", "5000"),
        ("--listen", "127.0.0.1:70000"),
        ("--listen", "127.0.0.1:0", "--dial", HERE),
        ("--dial", "127.0.0.1:0"),
        ("--id", "bank"),
        ("--dialect", "no-such-dialect"),
        ("--framing", "ascii5"),
        ("--zpk", "xyz"),
        ("--zak", "00" * 24),
        ("--keys", "k.toml", "--zpk", "00" * 16),
        ("--manners", "rude"),
        ("--manners", "busy"),
        ("--code", "5"),
        ("--code", "51", "--manners", "bad"),
        ("--pin", "abcd"),
        ("--ledger", "no/such/folder/l.jsonl"),
        ("--listen", "tls://127.0.0.1:0"),
        ("--listen", "tls://127.0.0.1:0", "--authorities", "none.pem"),
        ("--certificate", "bank.pem"),
    ],
)
def test_a_bank_used_wrongly_is_exit_2_and_one_line(capsys, words):
    ended = posswitch(capsys, "sim-bank", *words)
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)


def test_a_port_in_use_is_exit_2(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = posswitch(capsys, "sim-bank", *KEYS, "--listen", f"127.0.0.1:{server.getsockname()[1]}")
    assert ended.code == 2
    assert one_line(ended.err)


@pytest.mark.parametrize("words", [("--mac", "crc"), ("--pin-block", "iso-9")])
def test_a_seal_that_is_none(words):
    ran = sim_terminal("127.0.0.1:9", "--tmk", TMK, *words, "sale:1")
    assert ran.code == 2
    assert "not known" in ran.err or "no MAC" in ran.err or "no such" in ran.err
