"""decode of files, diff, convert and fit from the command line."""

import io
import json
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from cli_runs import one_line, posswitch

from posswitch.codec import Message, framed, load_dialect

POS, CUPS = load_dialect("pos"), load_dialect("cups")
HEADER = bytes.fromhex("6000030000603100311004")
PAN = "6222021234567894"
FRAMES = [
    POS.pack(Message("0200", {2: PAN, 3: "000000", 4: f"{n:012d}", 11: f"{n:06d}", 41: "10000001"}, HEADER))
    for n in range(1, 6)
]


@pytest.fixture
def file(tmp_path):
    def write(data) -> str:
        path = tmp_path / "capture"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return str(path)

    return write


def stans(ended) -> list[str]:
    rows = [json.loads(line) for line in ended.out.splitlines()]
    return [row["fields"]["11"] for row in rows if "fields" in row]


EVERY = [f"{n:06d}" for n in range(1, 6)]
LINES = {
    "plain": lambda n, frame: frame.hex(),
    "upper, spaced": lambda n, frame: frame.hex(" ").upper(),
    "time before": lambda n, frame: f"2026-01-15 10:30:0{n}.123 > {frame.hex()}",
    "offset before": lambda n, frame: f"{n:08d}: {frame.hex(' ', 4)}",
    "with length": lambda n, frame: framed("bin2", frame).hex(),
    "remark behind": lambda n, frame: f"{frame.hex()}  # sale {n}",
    "dump": lambda n, frame: "\n".join(
        f"{at:04x}  {frame[at : at + 16].hex(' ')}" for at in range(0, len(frame), 16)
    ),
}


@pytest.mark.parametrize("form", LINES)
def test_a_file_of_lines(capsys, file, form):
    path = file("# recorded\n\n" + "\n".join(LINES[form](n, frame) for n, frame in enumerate(FRAMES)))
    for name in (path, f"@{path}"):
        ended = posswitch(capsys, "decode", "--json", name)
        assert (ended.code, stans(ended)) == (0, EVERY)


@pytest.mark.parametrize("prefix", ["bin2", "ascii4", "bcd2", "bin4", "bin2self"])
def test_a_raw_stream(capsys, file, prefix):
    path = file(b"".join(framed(prefix, frame) for frame in FRAMES))
    assert stans(posswitch(capsys, "decode", "--json", path)) == EVERY
    assert stans(posswitch(capsys, "decode", "--json", "--framing", prefix, path)) == EVERY


def test_standard_input(capsys, monkeypatch):
    text = "\n".join(frame.hex() for frame in FRAMES).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert stans(posswitch(capsys, "decode", "--json", "-")) == EVERY


def test_one_unreadable_frame_does_not_end_it(capsys, file):
    path = file("\n".join([FRAMES[0].hex(), FRAMES[1].hex()[:-8], FRAMES[2].hex()]))
    ended = posswitch(capsys, "decode", "--json", path)
    assert (ended.code, stans(ended)) == (1, ["000001", "000003"])
    assert json.loads(ended.out.splitlines()[1]).keys() == {"frame", "error", "field", "offset"}
    words = posswitch(capsys, "decode", path)
    assert words.code == 1
    assert "#2  line 2" in words.out
    assert "截断" in words.out
    assert PAN not in words.out
    assert one_line(words.err)


def test_a_line_that_is_no_hexadecimal_is_named_and_exit_2(capsys, file):
    path = file("\n".join(["# recorded", FRAMES[0].hex(), FRAMES[1].hex() + "0", FRAMES[2].hex(), "08zz"]))
    ended = posswitch(capsys, "decode", "--json", path)
    assert (ended.code, stans(ended)) == (2, ["000001", "000003"])
    told = "no hexadecimal; correct it, or put # before a remark"
    name = Path(path).name
    assert ended.err == f"posswitch: {name}:3: {told}\nposswitch: {name}:5: {told}\n"


def test_many_lines_that_are_no_hexadecimal_are_counted(capsys, file):
    path = file("\n".join([FRAMES[0].hex(), "08zz"] * 30))
    ended = posswitch(capsys, "decode", "--json", path)
    assert ended.code == 2
    assert ended.err.splitlines()[-1].endswith(": and 10 more such lines")
    assert ended.err.count("\n") == 21


@pytest.mark.parametrize("prefix", ["none", "bin2", "ascii4", "bcd2", "bin4", "bin2self"])
def test_the_only_message_of_a_recording_is_diagnosed_when_it_is_damaged(capsys, file, prefix):
    at = len(HEADER) + 2 + 8 + 1 + 8  # field 3, behind MTI, bitmap and card number
    damaged = FRAMES[0][:at] + b"\xaf" + FRAMES[0][at + 1 :]
    ended = posswitch(capsys, "decode", file(damaged if prefix == "none" else framed(prefix, damaged)))
    assert ended.code == 2
    assert "应为 · expected" in ended.out
    assert "AF" in ended.out
    assert "1 of 1 frames could not be read" in ended.err


@pytest.mark.parametrize("data", ["", "# nothing\n", FRAMES[0].hex()[:-8], b"\x00\x01\x02"])
def test_nothing_readable_is_exit_2(capsys, file, data):
    assert posswitch(capsys, "decode", file(data)).code == 2


def test_a_framing_that_nobody_knows(capsys, file):
    ended = posswitch(capsys, "decode", "--framing", "morse", file(FRAMES[0].hex()))
    assert ended.code == 2
    assert one_line(ended.err)


def recording(frames, opens_with_syn=True) -> bytes:
    """A pcap with one connection: out of order, a repeat, two frames in one segment, one over two."""
    dpkt = pytest.importorskip("dpkt")
    stream = b"".join(framed("bin2", frame) for frame in frames)
    cuts = [0, 10, 10 + len(frames[0]), 160, 200, len(stream)]
    parts = [(1001 + a, stream[a:b]) for a, b in pairwise(cuts)]
    parts = [parts[1], parts[0], parts[0], *parts[2:]]
    packets = [(1000, b"", dpkt.tcp.TH_SYN)] if opens_with_syn else []
    packets += [(seq, data, dpkt.tcp.TH_ACK) for seq, data in parts]
    out = io.BytesIO()
    writer = dpkt.pcap.Writer(out)
    for at, (seq, data, flags) in enumerate(packets):
        tcp = dpkt.tcp.TCP(sport=40000, dport=5000, seq=seq, flags=flags, data=data)
        ip = dpkt.ip.IP(src=b"\x0a\0\0\1", dst=b"\x0a\0\0\2", p=6, data=tcp)
        ip.len = 20 + len(tcp)
        writer.writepkt(bytes(dpkt.ethernet.Ethernet(data=ip)), ts=at)
    return out.getvalue()


def test_a_network_recording(capsys, file):
    path = file(recording(FRAMES))
    ended = posswitch(capsys, "decode", "--json", path)
    assert (ended.code, stans(ended)) == (0, EVERY)
    assert "10.0.0.1:40000 > 10.0.0.2:5000" in posswitch(capsys, "decode", path).out
    found = json.loads(posswitch(capsys, "fit", "--json", path).out)["fits"][0]
    assert (found["framing"], found["dialect"]) == ("bin2", "pos")


def test_a_recording_without_its_library(capsys, file, monkeypatch):
    monkeypatch.setitem(sys.modules, "dpkt", None)
    ended = posswitch(capsys, "decode", file(bytes.fromhex("d4c3b2a1") + bytes(20)))
    assert ended.code == 2
    assert one_line(ended.err)
    assert "posswitch[capture]" in ended.err


@pytest.mark.parametrize("tail", [b"", b"\x00" * 20, b"\xff" * 300])
def test_a_damaged_recording_is_one_line(capsys, file, tail):
    ended = posswitch(capsys, "decode", file(bytes.fromhex("d4c3b2a1") + tail))
    assert ended.code == 2
    assert one_line(ended.err)


def test_diff(capsys, file):
    assert posswitch(capsys, "diff", FRAMES[0].hex(), FRAMES[0].hex()).code == 0
    ended = posswitch(capsys, "diff", "--json", FRAMES[0].hex(), "@" + file(FRAMES[1].hex()))
    assert ended.code == 1
    said = json.loads(ended.out)
    assert [row["field"] for row in said["differences"]] == ["4", "11"]
    assert not said["same"]
    unreadable = posswitch(capsys, "diff", FRAMES[0].hex(), "6000")
    assert unreadable.code == 2
    assert one_line(unreadable.err)


def test_convert_shows_bytes_only_when_revealed(capsys):
    words = ("convert", "--from", "pos", "--to", "cups", FRAMES[0].hex())
    masked = posswitch(capsys, *words)
    assert masked.code == 0
    assert "622202******7894" in masked.out
    assert PAN not in masked.out
    assert PAN.encode().hex() not in masked.out.lower()
    shown = posswitch(capsys, *words, "--reveal")
    assert CUPS.unpack(bytes.fromhex(shown.out)).fields[2] == PAN
    said = json.loads(posswitch(capsys, *words, "--json").out)
    assert said.keys() == {"mti", "fields", "notes"}
    assert posswitch(capsys, *words, "--header", "zz").code == 2
    assert posswitch(capsys, *words, "--header", "00").code == 2


def test_fit_prints_a_file_that_decodes(capsys, file, tmp_path):
    path = file(b"".join(framed("bin2", frame) for frame in FRAMES))
    ended = posswitch(capsys, "fit", path)
    assert ended.code == 0
    assert ended.out.startswith("1. ")
    assert "framing bin2, dialect pos" in ended.out.splitlines()[0]
    dialect = tmp_path / "found.toml"
    dialect.write_text(json.loads(posswitch(capsys, "fit", "--json", path).out)["dialect"])
    assert stans(posswitch(capsys, "decode", "--dialect", str(dialect), "--json", path)) == EVERY
    assert PAN not in ended.out


def test_fit_of_nothing(capsys):
    ended = posswitch(capsys, "fit", "00112233445566778899")
    assert ended.code == 1
    assert one_line(ended.err)


LINKS = {
    "ethernet": (1, lambda dpkt, ip: dpkt.ethernet.Ethernet(data=ip)),
    "vlan": (
        1,
        lambda dpkt, ip: bytes(12) + bytes.fromhex("8100000a0800") + bytes(ip),
    ),
    "linux cooked": (
        113,
        lambda dpkt, ip: bytes.fromhex("0000000100060000000000000000") + b"\x08\0" + bytes(ip),
    ),
    "raw": (101, lambda dpkt, ip: ip),
    "loopback": (0, lambda dpkt, ip: b"\x02\0\0\0" + bytes(ip)),
}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_every_link_type(capsys, file, link, form):
    dpkt = pytest.importorskip("dpkt")
    number, wrap = LINKS[link]
    if form == "pcapng" and number != 1:
        pytest.skip("the writer of test data knows one link type")
    out = io.BytesIO()
    writer = dpkt.pcap.Writer(out, linktype=number) if form == "pcap" else dpkt.pcapng.Writer(out)
    seq = 7
    for at, frame in enumerate(FRAMES):
        data = framed("bin2", frame)
        tcp = dpkt.tcp.TCP(sport=40000, dport=5000, seq=seq, flags=dpkt.tcp.TH_ACK, data=data)
        ip = dpkt.ip.IP(src=b"\x0a\0\0\1", dst=b"\x0a\0\0\2", p=6, data=tcp)
        ip.len = 20 + len(tcp)
        writer.writepkt(bytes(wrap(dpkt, ip)), ts=at)
        seq += len(data)
    assert stans(posswitch(capsys, "decode", "--json", file(out.getvalue()))) == EVERY


def test_ports_used_again_are_another_connection(capsys, file):
    dpkt = pytest.importorskip("dpkt")
    out = io.BytesIO()
    writer = dpkt.pcap.Writer(out)
    packets = []
    for start, frames in ((500, FRAMES[:2]), (90_000, FRAMES[2:])):
        packets.append((start, b"", dpkt.tcp.TH_SYN))
        packets += [(start + 1, b"".join(framed("bin2", frame) for frame in frames), dpkt.tcp.TH_ACK)]
    for seq, data, flags in packets:
        tcp = dpkt.tcp.TCP(sport=40000, dport=5000, seq=seq, flags=flags, data=data)
        ip = dpkt.ip.IP(src=b"\x0a\0\0\1", dst=b"\x0a\0\0\2", p=6, data=tcp)
        ip.len = 20 + len(tcp)
        writer.writepkt(bytes(dpkt.ethernet.Ethernet(data=ip)))
    ended = posswitch(capsys, "decode", "--json", file(out.getvalue()))
    assert sorted(stans(ended)) == EVERY


@pytest.mark.parametrize("command", ["decode", "fit"])
@pytest.mark.parametrize("name", ["frames.txt", "./frames", "@frames", "/nowhere/frames"])
def test_a_mistyped_file_is_no_hexadecimal(capsys, tmp_path, monkeypatch, command, name):
    monkeypatch.chdir(tmp_path)
    ended = posswitch(capsys, command, name)
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)
    assert "No such file" in ended.err


def test_a_folder_is_no_file(capsys, tmp_path):
    ended = posswitch(capsys, "decode", str(tmp_path))
    assert ended.code == 2
    assert one_line(ended.err)
    assert "Is a directory" in ended.err


@pytest.mark.parametrize("command", ["decode", "fit"])
@pytest.mark.parametrize("data", [b"", b"\n \n"])
def test_an_empty_file_holds_nothing(capsys, file, command, data):
    path = file(data)
    ended = posswitch(capsys, command, path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"posswitch: {path}: holds no bytes; give a file with messages\n"


@pytest.mark.parametrize(
    "name", ["nix", "capture1", "feedback", "Montagmorgen", "my frames of Monday morning"]
)
def test_a_mistyped_name_without_dot_or_slash_is_no_hexadecimal_either(capsys, name):
    ended = posswitch(capsys, "decode", name)
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)
    assert f'"{name}": not hexadecimal and no file of that name' in ended.err


def test_one_frame_is_not_cut(capsys):
    ended = posswitch(capsys, "decode", FRAMES[0].hex(), "--framing", "bin2")
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)


def test_hexadecimal_with_a_slip_of_the_finger_is_shown_where_it_is(capsys):
    ended = posswitch(capsys, "decode", FRAMES[0].hex()[:20] + "g" + FRAMES[0].hex()[21:])
    assert ended.code == 2
    assert "hexadecimal" in ended.err


def test_diff_and_convert_say_which_side_cannot_be_read(capsys):
    good, cut = FRAMES[0].hex(), FRAMES[1].hex()[:-8]
    assert "posswitch: A: pos cannot read it: " in posswitch(capsys, "diff", cut, good).err
    assert "posswitch: B: pos cannot read it: " in posswitch(capsys, "diff", good, cut).err
    assert "posswitch: B: not hexadecimal" in posswitch(capsys, "diff", good, "xyz").err
    ended = posswitch(capsys, "convert", cut, "--from", "pos", "--to", "cups")
    assert ended.err.startswith("posswitch: HEX: pos cannot read it: ")
    assert one_line(ended.err)
