"""A SYN flood: `python -m tests.pressure.syn ADDRESS PORT SECONDS`, in a network namespace of its own.

The namespace of the victim leads to it over a pair of virtual Ethernet devices; nobody answers there, so
every half-open connection stays half open.
"""

import argparse
import contextlib
import ctypes
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
VICTIM, ATTACKER = "10.99.0.1", "10.99.0.2"
_SOURCES = "10.98"  # behind the attacker, who passes nothing on
SYNS_PER_S = 20_000
_PACKETS = 8_192
_BURST = 200
_READY = "ready"
_COOKIES = Path("/proc/sys/net/ipv4/tcp_syncookies")


class CannotFlood(Exception):
    """This machine does not let us have a network of our own; says why and what to do."""


def own_network() -> None:
    """From now on this process and its children have a network namespace with nothing but a loopback."""
    if shutil.which("ip") is None:
        raise CannotFlood("there is no ip: install iproute2")
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK):
        raise CannotFlood("network namespaces cannot be made: it needs root with CAP_SYS_ADMIN")
    _ip("link", "set", "lo", "up")


@contextlib.contextmanager
def attacker(port: int, seconds: float) -> Iterator["subprocess.Popen[str]"]:
    """The flood, as a process in a namespace that this one leads to."""
    words = (sys.executable, "-m", "tests.pressure.syn", VICTIM, str(port), str(seconds))
    flood = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert flood.stdout is not None and flood.stdin is not None
        if flood.stdout.readline().strip() != _READY:
            raise CannotFlood("raw sockets cannot be opened: it needs root with CAP_NET_RAW")
        _ip("link", "add", "flooded", "type", "veth", "peer", "name", "flood", "netns", str(flood.pid))
        _ip("address", "add", f"{VICTIM}/30", "dev", "flooded")
        _ip("link", "set", "flooded", "up")
        _ip("route", "add", f"{_SOURCES}.0.0/16", "via", ATTACKER)
        flood.stdin.write("go\n")
        flood.stdin.flush()
        yield flood
    finally:
        flood.kill()
        flood.wait()


def cookies(wanted: bool) -> None:
    """Whether the kernel of this namespace answers a flood with SYN cookies."""
    _COOKIES.write_text(str(int(wanted)))


def _ip(*words: str) -> None:
    ended = subprocess.run(("ip", *words), capture_output=True, text=True, check=False)
    if ended.returncode:
        raise CannotFlood(
            f"ip {' '.join(words)} says: {ended.stderr.strip()}; it needs root and veth devices"
        )


def _packets(to: str, port: int, chance: random.Random) -> list[bytes]:
    """SYNs from hosts that do not exist."""
    destination = socket.inet_aton(to)
    made = []
    for _ in range(_PACKETS):
        source = socket.inet_aton(f"{_SOURCES}.{chance.randrange(1, 255)}.{chance.randrange(3, 255)}")
        tcp = struct.pack(
            "!HHIIBBHHH",
            chance.randrange(1024, 65535),
            port,
            chance.randrange(1 << 32),
            0,
            5 << 4,
            2,
            8192,
            0,
            0,
        )
        summed = source + destination + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp)) + tcp
        tcp = tcp[:16] + struct.pack("!H", _checksum(summed)) + tcp[18:]
        ip = struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, socket.IPPROTO_TCP, 0, source, destination
        )
        made.append(ip + tcp)  # the kernel sums the header
    return made


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def main() -> int:
    """Waits for its network, floods, then prints what it sent as a line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.pressure.syn", description=__doc__)
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("seconds", type=float)
    asked = parser.parse_args()
    try:
        own_network()
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    except (CannotFlood, OSError) as why:
        print(f"cannot: {why}", flush=True)
        return 2
    packets = _packets(asked.address, asked.port, random.Random(1))
    print(_READY, flush=True)
    sys.stdin.readline()
    _ip("address", "add", f"{ATTACKER}/30", "dev", "flood")
    _ip("link", "set", "flood", "up")
    os.nice(10)
    sent, failed = flooded(raw, asked.address, packets, asked.seconds)
    print(json.dumps({"syns": sent, "failed": failed}), flush=True)
    return 0


def flooded(raw: socket.socket, address: str, packets: list[bytes], seconds: float) -> tuple[int, int]:
    """Sends at the rate for so long: how many left, how many did not."""
    began = time.monotonic()
    sent = failed = 0
    while (now := time.monotonic() - began) < seconds:
        due = min(int(now * SYNS_PER_S) - sent - failed, _BURST)
        for number in range(due):
            try:
                raw.sendto(packets[(sent + number) % len(packets)], (address, 0))
            except OSError:
                failed += 1
            else:
                sent += 1
        time.sleep(0.001)
    return sent, failed


if __name__ == "__main__":
    sys.exit(main())
