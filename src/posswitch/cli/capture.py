"""What a command is given: hexadecimal, a file of hex lines or raw bytes, or recorded network traffic."""

import io
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from posswitch.base.errors import ConfigError
from posswitch.codec.reassembly import Segment, reassemble

FILE_BYTES_MAX = 64 << 20
CHUNKS_MAX = 100_000
FLOWS_MAX = 4096
_NAME_MAX = 256  # what is longer is mistyped hexadecimal, not the name of a file
_PCAP_MAGICS = tuple(
    bytes.fromhex(magic) for magic in ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "0a0d0d0a")
)
_DIGITS_MIN = 20  # of the shortest message: its type and its bitmap
_TOKEN = re.compile(r"[0-9A-Fa-f]+")
_DUMP_OFFSET = re.compile(r"(?:0x)?([0-9A-Fa-f]{4,8}):?")
_TCP = 6
_SYN = 0x02


NEITHER = "not hexadecimal and no file of that name; give HEX, @FILE or -"


class Chunk(NamedTuple):
    """Bytes that belong together, and where they come from."""

    label: str
    data: bytes


class Source(NamedTuple):
    """What was given: `kind` is hex, lines, raw or network; lines with the numbers `bad` held no bytes."""

    kind: str
    chunks: list[Chunk]
    bad: tuple[int, ...] = ()


def is_file(text: str) -> bool:
    """Whether an argument names a file (`@FILE`, `-`, or a path, there or not) and not hexadecimal."""
    if text.startswith("@") or text == "-":
        return True
    other = _TOKEN.sub("", text)
    if not other.strip():
        return False
    try:
        return Path(text).exists() or (len(text) < _NAME_MAX and ("/" in other or "." in other))
    except (OSError, ValueError):  # too long for a name, or no name at all
        return False


def rather_a_name(text: str) -> bool:
    """Whether what is no hexadecimal is rather the name of a file that is not there than damaged bytes."""
    digits = sum(map(len, _TOKEN.findall(text)))
    return digits < len(text) and (len(text) < _DIGITS_MIN or digits * 2 <= len(text))


def source(text: str) -> Source:
    """The bytes behind an argument; ConfigError with what to do when there are none."""
    if not is_file(text):
        compact = "".join(text.split())
        try:
            return Source("hex", [Chunk("", bytes.fromhex(compact))])
        except ValueError:
            raise ConfigError(NEITHER) from None
    name = text.removeprefix("@")
    data = _read(name)
    if data[:4] in _PCAP_MAGICS:
        flows = _flows(name, data)
        if not flows:
            raise ConfigError(f"{name}: holds no TCP payload; record the port of the payments")
        return Source("network", flows)
    found, bad = _lines(data)
    if found:
        return Source("lines", found, bad)
    if not data.strip():
        raise ConfigError(f"{name}: holds no bytes; give a file with messages")
    return Source("raw", [Chunk(name, data)])


def _read(name: str) -> bytes:
    if name == "-":
        data = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
    else:
        with Path(name).open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{name}: more than {FILE_BYTES_MAX >> 20} MiB; split it into smaller files")
    return data


def _lines(data: bytes) -> tuple[list[Chunk], tuple[int, ...]]:
    """A chunk for each line of hexadecimal, or for each dump, and the others; none when they are most."""
    try:
        text = data.decode("utf-8")
    except UnicodeError:
        return [], ()
    if "\0" in text:
        return [], ()
    rows = [(number, line.partition("#")[0]) for number, line in enumerate(text.splitlines(), 1)]
    rows = [(number, line) for number, line in rows if line.strip()]
    dump = _dump(rows)
    if dump:
        return dump, ()
    found = [(number, _line_bytes(line)) for number, line in rows]
    kept = [Chunk(f"line {number}", data) for number, data in found if data]
    bad = tuple(number for number, data in found if not data)
    return (kept[:CHUNKS_MAX], bad) if len(kept) >= len(bad) else ([], ())


def _line_bytes(line: str) -> bytes:
    """The last run of hexadecimal on a line, behind any offset, time or remark; empty when there is none."""
    best = ""
    run = ""
    for word in [*line.split(), "."]:
        token = word.removeprefix("0x").removesuffix(",")
        if _TOKEN.fullmatch(token) and len(token) % 2 == 0:
            run += token
        else:
            best = run if len(run) > len(best) else best
            run = ""
    return bytes.fromhex(best)


def _dump(rows: list[tuple[int, str]]) -> list[Chunk]:
    """Frames from a dump whose lines begin with the offset of their first byte; [] when it is none."""
    frames: list[tuple[int, bytearray]] = []
    for number, line in rows:
        head, *words = line.split()
        offset = _DUMP_OFFSET.fullmatch(head)
        if offset is None or not words:
            return []
        at = int(offset[1], 16)
        if at == 0:
            frames.append((number, bytearray()))
        if not frames or at != len(frames[-1][1]):
            return []
        gutter = line.split(maxsplit=1)[1].partition("  ")[0] if "  " in line.split(maxsplit=1)[1] else ""
        frames[-1][1].extend(_dumped(gutter if len(gutter) > 8 else " ".join(words)))
    return [Chunk(f"line {number}", bytes(data)) for number, data in frames if data]


def _dumped(text: str) -> bytes:
    found = ""
    for word in text.split():
        if not _TOKEN.fullmatch(word) or len(word) % 2 or len(found) + len(word) > 64:
            break
        found += word
    return bytes.fromhex(found)


def _flows(name: str, data: bytes) -> list[Chunk]:
    """The TCP payloads of a recording, a chunk a direction; ConfigError without dpkt, or when damaged."""
    try:
        import dpkt  # noqa: PLC0415 - an extra that only recordings need
    except ImportError:
        raise ConfigError(
            f"{name}: reading network recordings needs dpkt; install posswitch[capture]"
        ) from None
    segments: dict[str, list[Segment]] = {}
    try:
        reader = dpkt.pcap.UniversalReader(io.BytesIO(data))
        link = reader.datalink()
        for _, packet in reader:
            _collect(dpkt, link, packet, segments)
    except (dpkt.Error, ValueError, IndexError, KeyError) as error:
        if not segments:
            raise ConfigError(
                f"{name}: not a readable recording ({error}); record it again with tcpdump -w"
            ) from None
    chunks = []
    for label, collected in segments.items():
        runs = reassemble(collected)
        chunks += [
            Chunk(label if len(runs) == 1 else f"{label} part {n}", run) for n, run in enumerate(runs, 1)
        ]
    return chunks[:CHUNKS_MAX]


def _collect(dpkt: ModuleType, link: int, packet: bytes, segments: dict[str, list[Segment]]) -> None:
    """Adds the TCP payload of one packet to its direction; other packets are passed over."""
    opener = _opener(dpkt, link, packet)
    try:
        ip = opener(packet)
        while not isinstance(ip, dpkt.ip.IP | dpkt.ip6.IP6):
            ip = ip.data
        tcp = ip.data
        if not isinstance(tcp, dpkt.tcp.TCP):
            return
        ends = [dpkt.utils.inet_to_str(end) for end in (ip.src, ip.dst)]
    except (dpkt.Error, AttributeError, ValueError, IndexError):
        return
    label = f"{ends[0]}:{tcp.sport} > {ends[1]}:{tcp.dport}"
    if tcp.flags & _SYN:
        reused = sum(key.partition(" #")[0] == label for key in segments)
        if segments.get(label) and reused:  # the ports are used again: a connection of its own
            segments[f"{label} #{reused + 1}"] = segments.pop(label)
        return
    if label not in segments and len(segments) >= FLOWS_MAX:
        return
    if tcp.data:
        segments.setdefault(label, []).append((tcp.seq, bytes(tcp.data)))


def _opener(dpkt: ModuleType, link: int, packet: bytes) -> Any:  # noqa: ANN401 - dpkt has no types
    """The class that takes packets of a link type apart (the numbers of tcpdump.org)."""
    if link in (12, 14, 101):
        return dpkt.ip6.IP6 if packet[:1] >= b"\x60" else dpkt.ip.IP
    by_link = {0: dpkt.loopback.Loopback, 113: dpkt.sll.SLL, 276: dpkt.sll2.SLL2}
    return by_link.get(link, dpkt.ethernet.Ethernet)
