"""What is aimed at: name → a function of bytes that says whether they were read, and raises what escapes."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import product
from typing import NamedTuple

from posswitch.base.bounds import FRAME_BYTES_MAX
from posswitch.base.errors import CodecError, ConfigError, FrameError
from posswitch.codec import (
    PREFIXES,
    Dialect,
    Framer,
    cups_header,
    decode_json,
    framed,
    load_dialect,
    pack_tlv,
    read_cups_header,
    swap_tpdu,
    unpack_tlv,
    walk_tlv,
)
from posswitch.scheme.settlement import (
    Side,
    Uploaded,
    read_count,
    read_items,
    read_totals,
    write_items,
    write_totals,
)
from posswitch.settings.config import load_config

from . import archived, hsm_answers, key_blocks, recorded, secret_files, seeds, switchboard, tls_flights
from .behind import heard, let_in
from .checks import masked, planted, sane, unpacked
from .dialect_files import DIALECTS, place
from .seeds import WORDS, Seed


class Target(NamedTuple):
    """One row: `read` is called with every input, `begin` gives the seeds, `words` are spliced in."""

    read: Callable[[bytes], bool]
    begin: Callable[[], Sequence[Seed]]
    words: Sequence[bytes] = ()
    cost: int = 1  # how many inputs of the others one of its own stands for, when all targets have their turn


def _unpack(dialect: Dialect, data: bytes) -> bool:
    message = unpacked(dialect, data)
    if message is not None:
        masked(message)
    return message is not None


def _frames(prefix: str, data: bytes) -> bool:
    """The first byte says how the rest is cut; cut or whole, the same frames and the same end."""
    cut, stream = data[:1], data[1:]
    cap = FRAME_BYTES_MAX if cut and cut[0] & 1 else 64
    whole, broken = _fed(prefix, [stream], cap)
    size = 1 + (cut[0] >> 1 if cut else 0)
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert _fed(prefix, pieces, cap) == (whole, broken), "cuts change what is read"
    assert all(len(frame) <= cap for frame in whole), "a frame beyond the cap"
    again = b"".join(framed(prefix, frame) for frame in whole)
    assert _fed(prefix, [again], cap) == (whole, False), "round trip"
    return bool(whole)


def _fed(prefix: str, pieces: list[bytes], cap: int) -> tuple[list[bytes], bool]:
    framer, frames = Framer(prefix, cap), []
    for piece in pieces:
        try:
            frames += framer.feed(piece)
        except FrameError:
            assert framer.broken, "an error that is no fault"
            break
        assert framer.pending_bytes < PREFIXES[prefix].prefix_bytes + cap, "more is kept than a frame"
    return frames, framer.broken


_NO_PLACE = ("nested deeper", "more than")  # refusals of a whole: they have no offset


def _tlv(data: bytes) -> bool:
    try:
        objects = unpack_tlv(data)
        assert unpack_tlv(pack_tlv(objects)) == objects, "round trip"
        assert len(list(walk_tlv(data))) >= len(objects)
    except CodecError as error:
        if error.offset is not None or not error.reason.startswith(_NO_PLACE):
            sane(error, data)
        return False
    return True


def _header(data: bytes) -> bool:
    try:
        assert swap_tpdu(swap_tpdu(data)) == data, "round trip"
    except CodecError as error:
        sane(error, data)
    try:
        header = read_cups_header(data)
    except CodecError as error:
        sane(error, data)
        return False
    written = cups_header(header.destination, header.source, len(data))
    assert read_cups_header(written)[:2] == header[:2], "round trip"
    return True


def _decode(data: bytes) -> bool:
    """What a person types as HEX: a byte for the dialect, then text."""
    dialect = list(DIALECTS.values())[(data[0] if data else 0) % len(DIALECTS)]
    text = data[1:].decode("utf-8", "replace")
    try:
        shown = decode_json(dialect, text, reveal=False)
        assert shown["fields"].keys() == decode_json(dialect, text, reveal=True)["fields"].keys()
    except CodecError as error:
        sane(error, data[1:])
        return False
    return True


def _settlement(data: bytes) -> bool:
    """Field 48 as digits, as any text, and as its writer would have it."""
    text = data.decode("gb18030", "replace")
    totals, items, count = read_totals(text), read_items(text), read_count(text)
    if totals is not None:
        assert read_totals(write_totals(*totals)) == totals, "round trip"
    if items is not None:
        assert read_items(write_items(items)) == items, "round trip"
    assert count is None or 0 <= count <= 9999
    return not totals is items is count is None


def _dialect_file(data: bytes) -> bool:
    """A file, then behind a zero a payload for the dialect that it describes."""
    text, _, payload = data.partition(b"\0")
    path = place("dialect.toml")
    path.write_bytes(text)
    try:
        dialect = load_dialect(str(path))
    except ConfigError as error:
        assert path.name in str(error).encode().decode(), "an error that does not name its file"
        return False
    unpacked(dialect, payload)
    return True


def _config_file(data: bytes) -> bool:
    path = place("config.toml")
    path.write_bytes(data)
    try:
        load_config(path)
    except ConfigError as error:
        assert path.name in str(error).encode().decode(), "an error that does not name its file"
        return False
    return True


def _settlement_seeds() -> list[Seed]:
    items = [Uploaded(f"{stan:06d}", "6222021234567894", 100 + stan, stan == 1) for stan in range(8)]
    texts = [write_totals(Side(123, 4, 5, 1), Side()), write_items(items), write_items(items[:1]), "0008", ""]
    return [Seed(text.encode(), (0, 1)) for text in texts]


def _typed_seeds() -> list[Seed]:
    found = []
    for index, dialect in enumerate(DIALECTS.values()):
        for seed in seeds.payloads(dialect)[::40]:
            hot = tuple(place for at in seed.hot for place in (2 * at + 1, 2 * at + 2))
            found.append(Seed(bytes((index,)) + seed.data.hex().encode(), hot))
    return found


def _told_apart(count: int) -> list[Seed]:
    """Payloads of every dialect behind `count` bytes that name it, the last of them another one."""
    found = []
    for index, dialect in enumerate(DIALECTS.values()):
        for number, seed in enumerate(seeds.payloads(dialect)[::15]):
            names = bytes((index, number % len(DIALECTS)))[:count]
            found.append(Seed(names + seed.data, tuple(at + count for at in seed.hot)))
    return found


def _streams() -> list[Seed]:
    return [Seed(seed.data[1:]) for prefix in PREFIXES for seed in seeds.streams(prefix)]


def _recordings() -> list[Seed]:
    """A few frames of each dialect, framed and bare."""
    found = []
    for dialect in DIALECTS.values():
        some = [seed.data for seed in seeds.payloads(dialect)[::100]]
        found += [Seed(some[0]), *(Seed(b"".join(framed(name, data) for data in some)) for name in PREFIXES)]
    return found


def _terminal_seeds() -> list[Seed]:
    pos = DIALECTS["pos"]
    signed = [(message, switchboard.packed_request(message)) for message in switchboard.requests()]
    return [seeds.seed_of(pos, payload, message) for message, payload in signed]


def _planted_seeds() -> list[Seed]:
    rows = product(range(3), range(0, 60, 7), range(4))
    return [Seed(bytes(row) + "卡号 card no. 12".encode("gb18030"), (0, 1, 2)) for row in rows]


TARGETS: dict[str, Target] = {
    **{
        f"unpack-{name}": Target(partial(_unpack, dialect), partial(seeds.payloads, dialect))
        for name, dialect in DIALECTS.items()
    },
    **{f"frames-{name}": Target(partial(_frames, name), partial(seeds.streams, name)) for name in PREFIXES},
    "tlv": Target(_tlv, lambda: [Seed(seeds.CHIP, (2, 12, 30)), Seed(b"\x9f\x36\x02\x00\x34", (2,))]),
    "header": Target(_header, seeds.headers),
    "explain": Target(recorded.explained, partial(_told_apart, 1), cost=200),
    "convert": Target(recorded.converted, partial(_told_apart, 2)),
    "cut": Target(recorded.cut_up, _streams, cost=1000),
    "fit": Target(recorded.fitted, _recordings, cost=2500),
    "masks": Target(planted, _planted_seeds),
    "decode": Target(_decode, _typed_seeds),
    "settlement": Target(_settlement, _settlement_seeds),
    "segment": Target(archived.opened, archived.segments),
    "key-block": Target(key_blocks.unwrapped, key_blocks.blocks),
    "working-keys": Target(key_blocks.signed_on, key_blocks.fields),
    "secret-file": Target(secret_files.sealed, secret_files.texts),
    "share": Target(secret_files.share, secret_files.shares),
    "admission": Target(let_in, _terminal_seeds),
    "hearing": Target(heard, seeds.from_banks),
    "hsm-link": Target(hsm_answers.lied_to, hsm_answers.lies, cost=200),
    "tls-door": Target(tls_flights.door, tls_flights.flights, cost=20),
    "tls-link": Target(tls_flights.link, tls_flights.flights, cost=10),
    "dialect-file": Target(_dialect_file, seeds.dialect_texts, WORDS, cost=10),
    "config-file": Target(_config_file, lambda: [Seed(switchboard.CONFIG_TEXT.encode())], WORDS, cost=40),
}


@cache
def seeds_of(name: str) -> Sequence[Seed]:
    """The seeds of a target, built once."""
    return tuple(TARGETS[name].begin())
