"""Troubles planted on a real line of network namespaces: ping must name the place of each."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from bank_line import BANK_HOST, PORT, ROUTER_US, US, bank_line, why_not
from ping_runs import one_link, ping

from posswitch.sim.authority import Authority

TO_BANK, TO_US = f"ip daddr {BANK_HOST}", f"ip daddr {US}"
SENDER = f"""
import socket, time
print("listening", flush=True)
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    sender.sendto(bytes(1000), ("{US}", 9))
    time.sleep(0.01)
"""
EVERY_THIRD = "numgen inc mod 3 0"


class Trouble(NamedTuple):
    """What is planted, and the place and cause that must be named."""

    found: tuple[str, str]
    plant: object = None
    address: str = f"clear://{BANK_HOST}:{PORT}"
    tls: bool = False
    more: str = ""


def rule(who, hook, words):
    return lambda line: line.nft(who, hook, words)


def ip(who, *commands):
    def plant(line):
        for words in commands:
            line.ip(who, words)

    return plant


def stale_gateway(line):
    """The gateway has gone, and our table of neighbours still remembers it."""
    mac = "02:00:00:00:00:99"
    line.ip("us", f"neigh replace {ROUTER_US} lladdr {mac} dev eth0 nud stale")


def no_dns(line):
    line.nft("us", "output", "meta l4proto { tcp, udp } th dport 53 drop")


def fill_the_line(line):
    """Somebody else sends 800 kbit/s over it."""
    line.start(sys.executable, "-c", SENDER)


TROUBLES = {
    "well": Trouble(("nowhere", "fine")),
    "well over TLS": Trouble(("nowhere", "fine"), address=f"tls://{BANK_HOST}:{PORT}", tls=True),
    "interface down": Trouble(("machine", "interface-down"), ip("us", "link set eth0 down")),
    "no carrier": Trouble(("machine", "interface-down"), ip("router", "link set us down")),
    "no route": Trouble(("machine", "no-route"), ip("us", "route del default")),
    "a route that rejects": Trouble(
        ("machine", "no-route"), ip("us", f"route add unreachable {BANK_HOST}/32")
    ),
    "own firewall": Trouble(("machine", "own-firewall"), rule("us", "output", f"{TO_BANK} drop")),
    "resolver silent": Trouble(("network", "resolver-silent"), no_dns, "clear://bank.example.org:7001"),
    "gateway dead": Trouble(("network", "gateway-dead"), ip("router", f"addr del {ROUTER_US}/24 dev us")),
    "gateway dead and remembered": Trouble(("network", "gateway-dead"), stale_gateway),
    "lossy to the gateway": Trouble(
        ("network", "network-lossy"), rule("router", "prerouting", f"iif us {EVERY_THIRD} drop")
    ),
    "lossy one way": Trouble(("line", "lossy"), rule("router", "forward", f"{TO_BANK} {EVERY_THIRD} drop")),
    "lossy the other way": Trouble(
        ("line", "lossy"), rule("router", "forward", f"{TO_US} {EVERY_THIRD} drop")
    ),
    "dropped one way": Trouble(("line", "line-down"), rule("router", "forward", f"{TO_BANK} drop")),
    "dropped the other way": Trouble(("line", "line-down"), rule("router", "forward", f"{TO_US} drop")),
    "no route beyond": Trouble(("line", "line-down"), ip("router", "link set bank down")),
    "data dropped one way": Trouble(
        ("line", "lost-after-connect"), rule("router", "forward", f"{TO_BANK} tcp flags & psh == psh drop")
    ),
    "MTU black hole": Trouble(
        ("line", "large-lost"),
        rule("router", "forward", "meta length > 900 drop"),
        f"tls://{BANK_HOST}:{PORT}",
        tls=True,
    ),
    "line full": Trouble(("line", "line-full"), fill_the_line, more='lines = ["SZ-1/CT/64"]\n'),
    "a thin line": Trouble(("nowhere", "fine"), more='lines = ["SZ-1/CT/64"]\n'),
    "port filtered": Trouble(("host", "port-filtered"), rule("bank", "input", f"tcp dport {PORT} drop")),
    "pings filtered": Trouble(("nowhere", "fine"), rule("bank", "input", "icmp type echo-request drop")),
    "host gone": Trouble(("host", "host-gone"), address="clear://10.77.1.77:7001"),
    "nobody listens": Trouble(("application", "port-closed"), address=f"clear://{BANK_HOST}:7999"),
}


def look(folder, trouble):
    with bank_line() as line:
        folder.mkdir()
        authority = Authority() if trouble.tls else None
        city, plan, _ = one_link(folder, trouble.address, tls=authority, more=trouble.more)
        words = ()
        if authority is not None:
            names = [f"{number}.bank.example" for number in range(80)]  # a flight of several packets
            paper = authority.issue(plan.id, [BANK_HOST, *names])
            shown = paper.written(city.papers, plan.id)
            head, bank, rest = city.config.read_text().partition("[[bank]]")
            pinned = re.sub(r"certificates = .*", f'certificates = ["{paper.fingerprint}"]', rest, count=1)
            city.config.write_text(head + bank + pinned)
            words = ("--certificate", shown[0], "--certificate-key", shown[1])
            words += ("--authorities", city.papers / "authority.pem")
        line.sim_bank("tls" if trouble.tls else "clear", *words)
        if trouble.plant is not None:
            trouble.plant(line)
        return ping(city, inside=line.inside("us"))


@pytest.mark.slow
def test_the_place_of_every_planted_trouble_is_named(tmp_path):
    """Four at a time: they mostly wait."""
    if reason := why_not():
        pytest.skip(reason)
    folders = (tmp_path / str(number) for number in range(len(TROUBLES)))
    with ThreadPoolExecutor(4) as pool:
        done = dict(zip(TROUBLES, pool.map(look, folders, TROUBLES.values()), strict=True))
    wrong = {name: json_of(told) for name, told in done.items() if told.found != TROUBLES[name].found}
    assert wrong == {}
    for name, told in done.items():
        assert told.code == (0 if TROUBLES[name].found[0] == "nowhere" else 1), name
        assert told.link["ms"] < 15_000, name


def json_of(told):
    return told.found, [
        (step["name"], step["verdict"], step["why"], step["measured"]) for step in told.link["steps"]
    ]
