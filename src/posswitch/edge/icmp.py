"""ICMP echo over a datagram or raw socket: how many come back, and after how long."""

import errno
import ipaddress
import os
import select
import socket
import struct
import time
from collections.abc import Callable

from posswitch.edge.path_facts import Icmp

_SMALL_BYTES, _IP_BYTES, _ICMP_BYTES = 56, {4: 20, 6: 40}, 8
_LARGE_BYTES_MAX = 1500
_PAUSE_S = 0.04
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_FILTERED = (errno.EPERM, errno.EACCES)
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN)
_REQUEST, _REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}


class Pinger:
    """One socket for the echoes to one host."""

    def __init__(self, host: str) -> None:
        """Raises PermissionError where neither kind of socket is allowed."""
        self._ip = ipaddress.ip_address(host)
        version = self._ip.version
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        protocol = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
        try:
            self._socket, self._raw = socket.socket(family, socket.SOCK_DGRAM, protocol), False
        except PermissionError:
            self._socket, self._raw = socket.socket(family, socket.SOCK_RAW, protocol), True
        level, option = (
            (socket.IPPROTO_IP, _IP_RECVERR) if version == 4 else (socket.IPPROTO_IPV6, _IPV6_RECVERR)
        )
        self._socket.setsockopt(level, option, 1)
        self._socket.setblocking(False)
        self._mark = int.from_bytes(os.urandom(2), "big")
        self.why = ""

    def close(self) -> None:
        """Ends the socket."""
        self._socket.close()

    def send(self, number: int, size: int) -> None:
        """One echo request with so many bytes of content."""
        head = struct.pack("!BBHHH", _REQUEST[self._ip.version], 0, 0, self._mark, number)
        body = bytes(size)
        packet = head[:2] + _checksum(head + body) + head[4:] + body
        try:
            self._socket.sendto(packet, (str(self._ip), 0))
        except OSError as error:
            self._failed(error)

    def heard(self, wait_s: float) -> int | None:
        """The number of an echo that came back within `wait_s`, or None."""
        if not select.select([self._socket], [], [], max(wait_s, 0))[0]:
            return None
        try:
            data, where = self._socket.recvfrom(2048)
        except BlockingIOError:
            return None
        except OSError as error:
            self._failed(error)
            self._drain_errors()
            return None
        if where[0].partition("%")[0] != str(self._ip):
            return None
        if self._raw and self._ip.version == 4:
            data = data[(data[0] & 15) * 4 :]
        if len(data) < _ICMP_BYTES or data[0] != _REPLY[self._ip.version]:
            return None
        mark, number = struct.unpack("!HH", data[4:8])
        return number if not self._raw or mark == self._mark else None

    def _failed(self, error: OSError) -> None:
        if error.errno in _FILTERED:
            self.why = "own-firewall"
        elif error.errno in _UNREACHABLE:
            self.why = self.why or "unreachable"

    def _drain_errors(self) -> None:
        for _ in range(64):
            try:
                self._socket.recvmsg(512, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return


def ping(host: str, small: int, large: int, mtu: int, wait_s: float, until: Callable[[], float]) -> Icmp:
    """Sends so many small and large echoes and waits `wait_s` after the last; `until` says what is left."""
    began = time.monotonic()
    try:
        pinger = Pinger(host)
    except OSError:
        return Icmp(why="not-allowed")
    version = ipaddress.ip_address(host).version
    size = min(mtu, _LARGE_BYTES_MAX) - _IP_BYTES[version] - _ICMP_BYTES
    sizes = [_SMALL_BYTES] * small + [size] * large
    sent_at: dict[int, float] = {}
    rtts: dict[int, float] = {}

    def hear(end: float) -> None:
        while len(rtts) < len(sent_at) and (left := min(end - time.monotonic(), until())) > 0:
            number = pinger.heard(left)
            if number in sent_at and number not in rtts:
                rtts[number] = (time.monotonic() - sent_at[number]) * 1000

    try:
        for number, bytes_ in enumerate(sizes):
            sent_at[number] = time.monotonic()
            pinger.send(number, bytes_)
            if pinger.why == "own-firewall":
                break
            hear(sent_at[number] + _PAUSE_S)
            time.sleep(max(0, sent_at[number] + _PAUSE_S - time.monotonic()))
        hear(time.monotonic() + wait_s)
    finally:
        pinger.close()
    back = tuple(round(rtts[number], 3) for number in range(small) if number in rtts)
    large_back = sum(number >= small for number in rtts)
    why = pinger.why if not rtts else ""
    return Icmp(min(len(sent_at), small), back, large, large_back, why, (time.monotonic() - began) * 1000)


def _checksum(data: bytes) -> bytes:
    """The ones' complement sum of RFC 792."""
    words = struct.unpack(f"!{len(data) // 2}H", data[: len(data) // 2 * 2])
    total = sum(words) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)
