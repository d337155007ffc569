"""The firewall in a kernel: real sockets between two network namespaces, before and after the rules."""

import json
import signal
import sys
import time

import pytest
from firewall_town import FLOODER, HERE, KNOWN, STRANGER, ended

OPEN = f'known = ["{KNOWN}/32"]\nconnections = 5\nrate = 100\nburst = 100'


def until(happened, seconds=10.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if happened():
            return True
        time.sleep(0.1)
    return False


def test_without_the_table_everybody_connects(town):
    town.configured(OPEN)
    with town.listening(town.port):
        assert town.connects(FLOODER, town.port, 40) == 40  # the test sees what the rules do, not the machine


def test_a_source_is_capped_and_a_known_one_is_not(town):
    town.configured(OPEN)
    with town.listening(town.port):
        assert town.firewall("--apply").returncode == 0
        assert town.connects(FLOODER, town.port, 40) == 5
        assert town.connects(STRANGER, town.port) == 1
        assert town.connects(KNOWN, town.port, 40) == 40


def test_new_connections_of_a_source_have_a_pace(town):
    town.configured("connections = 1000\nrate = 1\nburst = 10")
    with town.listening(town.port):
        assert town.firewall("--apply").returncode == 0
        assert 10 <= town.connects(FLOODER, town.port, 40, wait_s=0.5) <= 15
        assert town.connects(STRANGER, town.port) == 1


def test_newcomers_together_have_a_pace_beneath_which_the_known_stay(town):
    town.configured(f'known = ["{KNOWN}"]\nconnections = 1000\nrate = 1000\nburst = 1000\nnewcomers = 10')
    with town.listening(town.port):
        assert town.firewall("--apply").returncode == 0
        assert town.connects(FLOODER, town.port, 200, wait_s=0.5) < 40
        assert town.connects(KNOWN, town.port, 50) == 50


def test_newcomers_together_leave_the_reserve(town):
    town.configured(f'known = ["{KNOWN}"]\nconnections = 1000\nrate = 1000\nburst = 1000\nnewcomers = 1000\n'
                    "reserve = 4000")  # fmt: skip
    with town.listening(town.port):
        assert town.firewall("--apply").returncode == 0
        assert town.connects(FLOODER, town.port, 150) == 96
        assert town.connects(KNOWN, town.port, 50) == 50


def test_only_listed_networks_reach_the_terminals_port_and_nothing_else_is_open(town):
    town.configured(f'terminals = ["{KNOWN}/32"]\nports = [2222]\nadministration = ["{STRANGER}"]')
    with town.listening(town.port), town.listening(2222), town.listening(5555):
        assert town.connects(FLOODER, 5555) == 1
        assert town.firewall("--apply").returncode == 0
        reached = {(who, port): town.connects(who, port)
                   for who in (KNOWN, STRANGER) for port in (town.port, 2222, 5555)}  # fmt: skip
    assert reached == {
        (KNOWN, town.port): 1, (KNOWN, 2222): 0, (KNOWN, 5555): 0,
        (STRANGER, town.port): 0, (STRANGER, 2222): 1, (STRANGER, 5555): 0,
    }  # fmt: skip


def test_a_banned_address_is_refused_and_comes_back_after_its_time(town):
    town.configured(OPEN)
    with town.listening(town.port):
        assert town.firewall("--apply").returncode == 0
        assert town.connects(STRANGER, town.port) == 1
        assert town.firewall("ban", STRANGER, "--for", "3s", "--reason", "a drill").returncode == 0
        assert town.connects(STRANGER, town.port) == 0
        assert town.connects(KNOWN, town.port) == 1
        assert until(lambda: town.connects(STRANGER, town.port) == 1)


def test_a_ban_outlives_a_new_ruleset_and_ends_with_a_word(town):
    town.configured(OPEN)
    with town.listening(town.port):
        assert "noted" in town.firewall("ban", STRANGER, "--for", "1h", "--reason", "a drill").stderr
        for _ in range(2):
            assert town.firewall("--apply").returncode == 0
            assert town.connects(STRANGER, town.port) == 0
        listed = json.loads(town.firewall("list", "--json").stdout)
        assert [(one["address"], one["reason"]) for one in listed] == [(STRANGER, "a drill")]
        assert town.firewall("unban", STRANGER).returncode == 0
        assert town.connects(STRANGER, town.port) == 1
        assert town.firewall("unban", STRANGER).returncode == 1


_TALKS = """
import socket, sys
one = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5, (sys.argv[3], 0))
for line in sys.stdin:
    one.sendall(b"x")
    print(one.recv(1).decode(), flush=True)
"""


def test_a_standing_connection_goes_on(town):
    town.configured(f'terminals = ["{KNOWN}"]\nports = []')
    with town.listening(2222):
        talk = town.at(town.outside, sys.executable, "-c", _TALKS, HERE, "2222", STRANGER)

        def says():
            talk.stdin.write("\n")
            talk.stdin.flush()
            return talk.stdout.readline()

        try:
            assert says() == "x\n"
            for _ in range(2):
                assert town.firewall("--apply").returncode == 0
                assert says() == "x\n"
            assert town.connects(STRANGER, 2222) == 0
        finally:
            ended(talk)


@pytest.mark.parametrize(("said", "kept"), [("yes\n", True), ("no\n", False), ("", False)])
def test_a_trial_is_kept_only_when_somebody_says_yes(town, said, kept):
    town.configured(OPEN)
    ended_with = town.firewall("--apply", "--trial", "5", given=said)
    assert ended_with.returncode == (0 if kept else 1)
    assert (town.nft("list", "table", "inet", "posswitch").returncode == 0) is kept


def test_a_trial_in_silence_goes_back_to_the_rules_before(town):
    town.configured(OPEN)
    town.firewall("--apply")
    before = town.nft("-s", "-t", "list", "table", "inet", "posswitch").stdout
    text = town.city.config.read_text().replace("connections = 5", "connections = 7")
    town.city.config.write_text(text)
    process = town.at(town.inside, sys.executable, "-m", "posswitch", "firewall", "-c", str(town.city.config),
                      "--apply", "--trial", "2")  # fmt: skip
    listed = lambda: town.nft("-s", "-t", "list", "table", "inet", "posswitch").stdout  # noqa: E731
    assert until(lambda: "over 7" in listed())
    assert process.wait(30) == 1  # its standard input was open, and silent
    process.communicate()
    assert listed() == before


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_trial_whose_session_is_cut_goes_back(town, number):
    town.configured(OPEN)
    words = ("-m", "posswitch", "firewall", "-c", str(town.city.config), "--apply", "--trial", "60")
    process = town.at(town.inside, sys.executable, *words)
    assert until(lambda: process.stderr.readline().startswith("loaded for"))
    assert town.nft("list", "table", "inet", "posswitch").returncode == 0
    process.stderr.close()  # nor can it tell anybody
    process.send_signal(number)
    process.wait(30)
    process.stdin.close()
    process.stdout.close()
    assert town.nft("list", "table", "inet", "posswitch").returncode != 0


def test_applied_twice_is_applied_once_and_removed_is_gone(town):
    town.configured(OPEN)
    tables = []
    for _ in range(2):
        assert town.firewall("--apply").returncode == 0
        tables.append(town.nft("-s", "list", "ruleset").stdout)
    assert tables[0] == tables[1]
    assert tables[0].count("table ") == 1
    assert town.nft("add", "table", "inet", "others").returncode == 0
    for _ in range(2):
        assert town.firewall("--remove").returncode == 0
    assert town.nft("list", "ruleset").stdout.split() == ["table", "inet", "others", "{", "}"]


def test_only_banks_are_called_on_the_ports_of_banks(town):
    town.configured(OPEN)
    text = town.city.config.read_text()
    port = town.city.banks[0].line_ports[0]
    assert f"clear://127.0.0.1:{port}" in text
    town.city.config.write_text(text.replace(f"clear://127.0.0.1:{port}", f"clear://{KNOWN}:{port}"))
    call = f"import socket; socket.create_connection(('%s', {port}), 1)"
    listener = town.at(town.outside, sys.executable, "-c",
                       f"import socket,time; s=socket.create_server(('', {port})); print(1,flush=True);"
                       "time.sleep(60)")  # fmt: skip
    try:
        listener.stdout.readline()
        calls = lambda who: town.run(town.inside, sys.executable, "-c", call % who).returncode == 0  # noqa: E731
        assert calls(STRANGER)
        assert town.firewall("--apply").returncode == 0
        assert calls(KNOWN)
        assert not calls(STRANGER)
        assert calls("127.0.0.1") is False  # nobody listens there; the rules let it try
    finally:
        ended(listener)


_FLOODS = """
import random, socket, struct, sys, time
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def folded(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
to = socket.inet_aton(host)
chance = random.Random(1)
for number in range(count):
    source = bytes([10, 77, 0, 100 + number % 100])
    def tcp(check):
        return struct.pack("!HHIIBBHHH", 1024 + chance.randrange(9000), port, number, 0, 80, 2, 999, check, 0)
    state = chance.getstate()
    one = tcp(0)
    chance.setstate(state)
    one = tcp(folded(source + to + struct.pack("!BBH", 0, 6, 20) + one))
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, number & 0xFFFF, 0, 64, 6, 0, source, to)
    raw.sendto(head + one, (host, 0))
"""


def test_a_syn_flood_leaves_room_for_honest_connections(town):
    town.configured(f'known = ["{KNOWN}"]\nconnections = 1000\nrate = 1000\nburst = 1000\nnewcomers = 100000')
    cookies = "/proc/sys/net/ipv4/tcp_syncookies"
    assert town.run(town.inside, "sh", "-c", f"echo 0 > {cookies}").returncode == 0
    # A listener with room for few half-open connections.
    for setting in ("ipv4/tcp_max_syn_backlog", "core/somaxconn"):
        town.run(town.inside, "sh", "-c", f"echo 16 > /proc/sys/net/{setting}")
    with town.listening(town.port):
        town.run(town.outside, sys.executable, "-c", _FLOODS, HERE, str(town.port), "3000")
        without = town.connects(KNOWN, town.port, 10)
        assert town.firewall("--apply").returncode == 0
        assert town.run(town.inside, "cat", cookies).stdout == "1\n"
        town.run(town.outside, sys.executable, "-c", _FLOODS, HERE, str(town.port), "3000")
        assert town.connects(KNOWN, town.port, 10) == 10
    assert without < 10
