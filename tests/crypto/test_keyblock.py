"""Key blocks: they return, agree with other people's code, and anything else is refused in one line."""

import random
import string

import psec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from posswitch.base.errors import CryptoError
from posswitch.crypto import keyblock
from posswitch.crypto.keyblock import Expected, Header, read_header, unwrap, wrap

pytestmark = pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning"  # psec's own
)
KBPK = bytes.fromhex("88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6")
LENGTHS = {"A": (16, 24), "B": (16, 24), "C": (16, 24), "D": (16, 24, 32)}
PIN_KEY = Expected(("P0",), ("T",), ("E",))
printable = st.text(st.sampled_from(string.ascii_letters + string.digits + " -/.=+"), max_size=300)
ids = st.text(st.sampled_from(string.ascii_uppercase + string.digits), min_size=2, max_size=2)


@st.composite
def wrapped(draw):
    """A protection key, a header and a key that go together."""
    version = draw(st.sampled_from("ABCD"))
    kbpk = draw(st.binary(min_size=32, max_size=32))[: draw(st.sampled_from(LENGTHS[version]))]
    algorithm = draw(st.sampled_from("TDAH" if version == "D" else "TDH"))
    lengths = {"T": (16, 24), "D": (8,), "A": (16, 24, 32), "H": range(1, 80)}[algorithm]
    length = draw(st.sampled_from([n for n in lengths if algorithm == "H" or n <= len(kbpk)]))
    names = draw(st.lists(ids.filter(lambda name: name != "PB"), max_size=4, unique=True))
    header = Header(
        version,
        draw(st.sampled_from(("P0", "D0", "K0", "M3", "B0", "S1", "10"))),
        algorithm,
        "N",
        draw(st.sampled_from("ENS")),
        draw(st.sampled_from(("00", "12", "c3"))),
        tuple((name, draw(printable)) for name in names),
        draw(st.sampled_from("012")),
    )
    return kbpk, header, draw(st.binary(min_size=length, max_size=length))


def expected_of(header):
    return Expected((header.usage,), (header.algorithm,), (header.mode,), (header.exportability,))


def refusal(kbpk, block, expected=PIN_KEY):
    """What `unwrap` says; any other exception escapes."""
    with pytest.raises(CryptoError) as raised:
        unwrap(kbpk, block, expected)
    said = str(raised.value)
    assert said and "\n" not in said and len(said) < 200
    return said


@given(wrapped(), st.booleans(), st.integers())
def test_what_is_wrapped_returns_with_its_optional_blocks(parts, hide, seed):
    kbpk, header, key = parts
    block = wrap(kbpk, header, key, random.Random(seed).randbytes, hide)
    assert unwrap(kbpk, block, expected_of(header)) == (header, key)
    assert read_header(block) == header
    assert int(block[1:5]) == len(block)


@given(wrapped(), st.booleans())
def test_psec_unwraps_ours(parts, hide):
    kbpk, header, key = parts
    block = wrap(kbpk, header, key, random.Random(1).randbytes, hide)
    theirs, opened = psec.tr31.unwrap(kbpk, block)
    assert opened == key
    assert dict(theirs.blocks) == dict(header.optional)
    assert (theirs.key_usage, theirs.mode_of_use) == (header.usage, header.mode)


@given(wrapped())
def test_we_unwrap_those_of_psec(parts):
    kbpk, header, key = parts
    theirs = psec.tr31.Header(
        header.version, header.usage, header.algorithm, header.mode, "00", header.exportability
    )
    for name, data in header.optional:
        theirs.blocks[name] = data
    block = psec.tr31.wrap(kbpk, theirs, key)
    opened, clear = unwrap(kbpk, block, expected_of(header))
    assert clear == key
    assert opened.optional == header.optional


@given(wrapped(), st.data())
def test_one_flipped_bit_never_opens(parts, data):
    kbpk, header, key = parts
    block = wrap(kbpk, header, key, random.Random(2).randbytes)
    at, bit = data.draw(st.integers(0, len(block) - 1)), data.draw(st.integers(0, 7))
    changed = block[:at] + chr(ord(block[at]) ^ 1 << bit) + block[at + 1 :]
    any_use = Expected(
        tuple(a + b for a in string.printable for b in (header.usage[1], "0")),
        tuple(string.printable),
        tuple(string.printable),
    )
    refusal(kbpk, changed, any_use)


BLOCKS = {
    version: wrap(
        KBPK[: LENGTHS[version][-1]],
        Header(version, "P0", "T", "E", "E", optional=(("KS", "00604B120F9292800000"),)),
        bytes(range(16)),
        random.Random(3).randbytes,
    )
    for version in LENGTHS
}
each_block = pytest.mark.parametrize("version", BLOCKS)


@each_block
def test_no_bit_of_a_block_can_be_flipped(version):
    """Every bit of every character, the header's too."""
    block, kbpk = BLOCKS[version], KBPK[: LENGTHS[version][-1]]
    everything = Expected(
        tuple(a + b for a in string.printable for b in string.printable),
        tuple(string.printable),
        tuple(string.printable),
        tuple(string.printable),
    )
    assert unwrap(kbpk, block, everything)[1] == bytes(range(16))
    for at, character in enumerate(block):
        for bit in range(8):
            refusal(kbpk, block[:at] + chr(ord(character) ^ 1 << bit) + block[at + 1 :], everything)


@each_block
def test_a_cut_or_longer_block_does_not_open(version):
    block, kbpk = BLOCKS[version], KBPK[: LENGTHS[version][-1]]
    for end in range(len(block)):
        refusal(kbpk, block[:end])
        refusal(kbpk, f"{block[0]}{end:04d}{block[5:]}"[:end])  # its length told as well
    refusal(kbpk, block + "0")
    refusal(kbpk, block[:5].lower() + block[5:])


@each_block
def test_another_protection_key_does_not_open(version):
    block, length = BLOCKS[version], LENGTHS[version][-1]
    for seed in range(50):
        said = refusal(random.Random(seed).randbytes(length), block)
        assert said == "key block: damaged, or wrapped under another key"


@each_block
@pytest.mark.parametrize(
    ("expected", "said"),
    [
        (Expected(("M1", "M3"), ("T",), ("E",)), "usage is P0, expected M1 or M3"),
        (Expected(("P0",), ("A",), ("E",)), "algorithm is T, expected A"),
        (Expected(("P0",), ("T",), ("G", "C")), "mode of use is E, expected G or C"),
        (Expected(("P0",), ("T",), ("E",), ("N",)), "exportability is E, expected N"),
    ],
)
def test_a_key_for_something_else_stays_in_its_block(version, expected, said):
    assert refusal(KBPK[: LENGTHS[version][-1]], BLOCKS[version], expected) == f"key block: {said}"


def test_versions_a_and_c_bind_alike_but_are_not_each_other():
    kbpk, block = KBPK[:24], BLOCKS["A"]
    assert unwrap(kbpk, block, PIN_KEY)
    refusal(kbpk, "C" + block[1:])


def test_hiding_gives_keys_of_all_lengths_blocks_of_one():
    header = Header("D", "P0", "A", "E", "N")
    lengths = {
        hide: {len(wrap(KBPK, header, KBPK[:size], bytes, hide)) for size in (16, 24, 32)}
        for hide in (True, False)
    }
    assert len(lengths[True]) == 1
    assert len(lengths[False]) > 1


@given(st.integers())
def test_padding_is_drawn(seed):
    header = Header("D", "P0", "A", "E", "N")
    blocks = {wrap(KBPK, header, KBPK[:16], random.Random(n).randbytes) for n in (seed, seed + 1)}
    assert len(blocks) == 2


VERSIONS = st.sampled_from("ABCDEX01 ")
DIGITS = st.text(st.sampled_from("0123456789ABCDEFabcdef"), max_size=160)


@st.composite
def hostile(draw):
    """Something like a block: its length mostly true, optional blocks as they come, then any digits."""
    body = draw(st.sampled_from(("P0TE00E", "B0TX12S", "D0AN00N", "P0TE0", "p0te00e")))
    count = draw(st.sampled_from(("00", "01", "02", "99", "-1", "1 ")))
    optional = ""
    for _ in range(draw(st.integers(0, 3))):
        length = draw(
            st.sampled_from(("18", "04", "00", "03", "FF", "0000", "000104", "00020018", "0002FFFF", "0003"))
        )
        optional += draw(st.sampled_from(("KS", "PB", "ks", "K", ""))) + length + draw(printable)
    rest = f"{body}{count}00{optional}{draw(DIGITS)}"
    length = draw(st.one_of(st.just(len(rest) + 5), st.integers(0, 99_999)))
    return f"{draw(VERSIONS)}{length:04d}{rest}"


@given(st.one_of(hostile(), st.text(max_size=300)), st.sampled_from((16, 24, 32, 0, 8)))
@example("D" + "9" * 9998, 16)
@example("", 16)
@example("١" * 72, 16)
@example("D0016P0TE00N0000", 16)
@example("B0016P0TE00N0000", 16)
@example("B0024P0TE00N0001KS000000", 16)
@example("B٠٠72P0TE00E0000" + "0" * 56, 16)
def test_hostile_blocks_are_refused_in_one_line(block, length):
    refusal(KBPK[:length], block, Expected(("P0", "B0"), ("T", "A"), ("E", "X", "N")))


def test_refusals_carry_nothing_of_the_block():
    secret = "5F" * 16
    block = BLOCKS["B"][:-32] + secret
    said = refusal(KBPK[:24], block[:1] + f"{len(block):04d}" + block[5:])
    assert secret not in said


@given(st.sampled_from("ABCD"), st.text(st.sampled_from("0123456789ABCDEF"), max_size=400))
def test_any_digits_behind_a_good_header_are_refused(version, digits):
    block = f"{version}{len(digits) + 16:04d}P0TE00E0000{digits}"
    refusal(KBPK[: LENGTHS[version][-1]], block)


KEY = bytes(range(16))
GOOD = Header("B", "P0", "T", "E", "E")


def with_optional(*optional):
    return Header("B", "P0", "T", "E", "E", optional=optional)


REFUSED = {
    "version E": (KBPK, Header("E", "P0", "T", "E", "E"), KEY),
    "no version": (KBPK, Header("", "P0", "T", "E", "E"), KEY),
    "protection key of 8": (KBPK[:8], GOOD, KEY),
    "AES protection key for B": (KBPK, GOOD, KEY),
    "no key": (KBPK[:16], GOOD, b""),
    "key of 8 as triple DES": (KBPK[:16], GOOD, KEY[:8]),
    "key of 17 as AES": (KBPK, Header("D", "P0", "A", "E", "E"), KEY + b"1"),
    "PIN key that makes MACs": (KBPK[:16], Header("B", "P0", "T", "G", "E"), KEY),
    "MAC key that encrypts": (KBPK[:16], Header("B", "M3", "T", "E", "E"), KEY),
    "base key that decrypts": (KBPK[:16], Header("B", "B0", "T", "D", "E"), KEY),
    "AES under triple DES": (KBPK[:24], Header("B", "P0", "A", "E", "E"), KEY),
    "AES-256 under AES-128": (KBPK[:16], Header("D", "P0", "A", "E", "E"), KBPK),
    "triple under double length": (KBPK[:16], GOOD, KBPK[:24]),
    "usage of 3": (KBPK[:16], Header("B", "P00", "T", "E", "E"), KEY),
    "small usage": (KBPK[:16], Header("B", "p0", "T", "E", "E"), KEY),
    "exportability X": (KBPK[:16], Header("B", "P0", "T", "E", "X"), KEY),
    "key version of 1": (KBPK[:16], Header("B", "P0", "T", "E", "E", "0"), KEY),
    "context 3": (KBPK[:16], Header("B", "P0", "T", "E", "E", context="3"), KEY),
    "optional block twice": (KBPK[:16], with_optional(("KS", "1"), ("KS", "2")), KEY),
    "padding as optional block": (KBPK[:16], with_optional(("PB", "0000")), KEY),
    "id of 3": (KBPK[:16], with_optional(("KSN", "1")), KEY),
    "new line in an optional block": (KBPK[:16], with_optional(("KS", "1\n")), KEY),
    "Chinese in an optional block": (KBPK[:16], with_optional(("KS", "钥")), KEY),
    "too long": (KBPK[:16], with_optional(("KS", "1" * 9990)), KEY),
    "a hundred optional blocks": (
        KBPK[:16],
        with_optional(*((f"{n:02d}", "") for n in range(100))),
        KEY,
    ),
}


@pytest.mark.parametrize(("kbpk", "header", "key"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_key_block_is_not_written(kbpk, header, key):
    with pytest.raises(CryptoError, match=r"^[^\n]+$") as raised:
        wrap(kbpk, header, key, bytes)
    assert key.hex().upper() not in str(raised.value).upper() or not key


def test_the_longest_block_opens():
    header = with_optional(("KS", "1" * 9800))
    block = wrap(KBPK[:16], header, KEY, bytes)
    assert len(block) <= keyblock.BLOCK_CHARS_MAX
    assert unwrap(KBPK[:16], block, PIN_KEY) == (header, KEY)


# A block whose MAC is right and whose inside is not: only its maker can write one.


def forged(clear):
    header = Header("B", "K0", "H", "N", "E")
    text = f"B{16 + 2 * len(clear) + 16:04d}K0HN00E0000"
    sealed, mac = keyblock._METHODS["B"].seal(keyblock._METHODS["B"], KBPK[:16], text.encode(), clear)
    return text + (sealed + mac).hex().upper(), expected_of(header)


def test_a_forged_block_is_one_but_for_its_inside():
    block, expected = forged((14 * 8).to_bytes(2, "big") + KEY[:14])
    assert unwrap(KBPK[:16], block, expected)[1] == KEY[:14]


@pytest.mark.parametrize("bits", [0, 7, 15 * 8, 14 * 8 + 1, 0xFFFF], ids=str)
def test_a_key_length_that_is_not_in_the_block_is_refused(bits):
    block, expected = forged(bits.to_bytes(2, "big") + KEY[:14])
    assert refusal(KBPK[:16], block, expected) == "key block: damaged, or wrapped under another key"


@pytest.mark.parametrize(
    ("version", "algorithm", "size", "hide", "chars"),
    [
        ("A", "T", 16, False, 72),  # as long as the published ones
        ("B", "T", 16, False, 80),
        ("D", "A", 16, False, 112),
        ("D", "A", 16, True, 144),
        ("B", "T", 24, True, 96),
        ("B", "H", 6, False, 48),  # 2 and 6 bytes are one cipher block
        ("B", "H", 7, False, 64),
    ],
)
def test_a_block_is_no_longer_than_it_must_be(version, algorithm, size, hide, chars):
    kbpk = KBPK[: LENGTHS[version][-1]]
    assert len(wrap(kbpk, Header(version, "P0", algorithm, "E", "E"), KBPK[:size], bytes, hide)) == chars


MALFORMED = {
    "X0072P0TE00E0000" + "0" * 56: "at character 1: no header of a key block in version A, B, C or D",
    "A0073P0TE00E0000" + "0" * 56: "at character 2: the length is not the block's",
    "A0073P0TE00E0000" + "0" * 57: "at character 2: the length must be whole cipher blocks",
    "A0072P0TE00E0100KS18" + "0" * 52: None,
    "A0072P0TE00E0100KS38" + "0" * 52: None,  # to the end of the block
    "A0072P0TE00E0100KS39"
    + "0" * 52: "at character 19: the length of an optional block is not within the block",
    "A0072P0TE00E0100KS03"
    + "0" * 52: "at character 19: the length of an optional block is not within the block",
    "A0072P0TE00E0100KS04" + "0" * 52: None,
    "A0072P0TE00E0100KS000107" + "0" * 48: (
        "at character 19: the length of an optional block is not within the block"
    ),
    "A0072P0TE00E0100KS000108" + "0" * 48: None,
    "A0072P0TE00E0100KS00020009" + "0" * 46: (
        "at character 19: the length of an optional block is not within the block"
    ),
    "A0072P0TE00E0100KS0002000A" + "0" * 46: None,
    "A0072P0TE00E0100k1" + "0" * 54: "at character 17: an optional block must begin with its id",
    "A0072P0TE00E0200KS04KS04" + "0" * 48: "at character 17: an optional block comes twice",
    "A0072P0TE00E0200KS04KC03" + "0" * 48: (
        "at character 23: the length of an optional block is not within the block"
    ),
    "A0072P0TE00E0000" + "0" * 55 + "\x7f": "must be at most 9999 printable characters",
    "A" * 10_000: "must be at most 9999 printable characters",
}


@pytest.mark.parametrize(("block", "said"), MALFORMED.items(), ids=[text[:28] for text in MALFORMED])
def test_a_malformed_header_is_named_with_its_place(block, said):
    if said is None:
        assert read_header(block)
    else:
        with pytest.raises(CryptoError, match=said):
            read_header(block)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("A0072P0TE00E0000" + "0" * 47 + "f" + "0" * 8, "17: key and MAC must be hex digits in capitals"),
        ("A0024P0TE00E0000" + "0" * 8, "17: the encrypted key must be whole cipher blocks"),
        ("A0032P0TE00E0000" + "0" * 16, "17: the encrypted key must be whole cipher blocks"),
        ("A0040P0TE00E0000" + "0" * 24, "damaged"),
        ("A0040P0TE00E0100KS14" + "0" * 20, "37: the encrypted key must be whole cipher blocks"),
    ],
)
def test_a_malformed_key_is_named_with_its_place(block, said):
    assert said in refusal(KBPK[:16], block)
