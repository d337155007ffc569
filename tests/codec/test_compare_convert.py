"""Two messages compared and one rewritten: everything that changes is said, nothing secret is shown."""

import random

import pytest

from posswitch.base.errors import CodecError
from posswitch.codec import BUILT_IN, Message, load_dialect, read_cups_header
from posswitch.codec.compare import Spoken, differences
from posswitch.codec.convert import convert

from .traffic import POS_HEADER, draw_message

POS, CUPS, ASCII = load_dialect("pos"), load_dialect("cups"), load_dialect("iso87a")
PAN, OTHER = "6222021234567894", "6222029876547894"


def sale(**changes) -> Message:
    fields = {2: PAN, 3: "000000", 4: "000000004711", 11: "000007", 49: "156", 60: "22000001000601"}
    return Message("0200", fields | {int(key[1:]): value for key, value in changes.items()}, POS_HEADER)


def labels(one: Message, other: Message, reveal: bool = False) -> dict[str, tuple[str, str]]:
    found = differences(Spoken(POS, one), Spoken(POS, other), reveal)
    return {row.label: (row.one, row.other) for row in found}


def test_the_same_message_has_no_differences():
    assert labels(sale(), sale()) == {}


def test_fields_and_their_parts_are_named():
    other = sale(f4="000000004712", f60="23000001000601")
    del other.fields[11]
    assert labels(sale(), other) == {
        "4": ("000000004711", "000000004712"),
        "11": ("000007", "-"),
        "60": ("22000001000601", "23000001000601"),
        "60.1": ("22", "23"),
    }


def test_a_difference_behind_the_mask_is_said_and_not_shown():
    found = differences(Spoken(POS, sale()), Spoken(POS, sale(f2=OTHER, f52=bytes(8))))
    text = "\n".join(map(str, found))
    assert "the difference is masked" in text
    assert PAN not in text
    assert OTHER not in text
    assert "123456" not in text
    assert labels(sale(), sale(f2=OTHER), reveal=True)["2"] == (PAN, OTHER)


def test_the_separator_of_a_track_is_a_matter_of_the_dialect():
    one, other = sale(f35=PAN + "D4912"), sale(f35=PAN + "=4912")
    assert differences(Spoken(POS, one), Spoken(ASCII, other)) == []


@pytest.mark.parametrize("came", BUILT_IN)
@pytest.mark.parametrize("goes", BUILT_IN)
@pytest.mark.parametrize("seed", range(8))
def test_every_field_comes_across_or_is_told(came, goes, seed):
    source, target = load_dialect(came), load_dialect(goes)
    message = draw_message(random.Random(f"{came}{goes}{seed}"), BUILT_IN[came])
    message.fields = {n: v for n, v in message.fields.items() if n in source.columns}
    done = convert(message, target)
    read = target.unpack(done.payload)
    told = {note.field for note in done.notes}
    left = differences(Spoken(source, message), Spoken(target, read), reveal=True)
    fields = {str(number) for number in (*message.fields, *read.fields)}
    assert {int(row.label) for row in left if row.label in fields} <= told
    if came == goes:
        assert left == []


def test_what_does_not_fit_is_dropped_or_shortened_and_said():
    message = sale(f7="0115103000", f43="x" * 40, f90="0" * 42)
    notes = {note.field: note.words.en for note in convert(message, POS).notes}
    assert notes == {7: "the target has no such field; dropped", 90: "the target has no such field; dropped"}
    long = Message("0210", {44: "y" * 30, 63: "z" * 600, 61: "w" * 300})
    notes = {note.field: note.words.en for note in convert(long, CUPS).notes}
    assert notes[44] == "shortened from 30 to 25"
    assert notes[63] == "shortened from 600 to 512"
    assert notes[61] == "300 long, the target takes 200; dropped"


def test_macs_and_pin_blocks_are_warned_of():
    notes = [(note.field, note.words.en) for note in convert(sale(f52=bytes(8), f64=bytes(8)), CUPS).notes]
    assert [field for field, _ in notes] == [52, 64]
    assert "invalid" in notes[1][1]


def test_headers_by_default_and_as_given():
    done = convert(sale(), CUPS)
    assert read_cups_header(done.payload).total_bytes == len(done.payload)
    assert convert(sale(), POS).payload[:11] == bytes(11)
    assert convert(sale(), POS, POS_HEADER).payload[:11] == POS_HEADER
    with pytest.raises(CodecError):
        convert(sale(), POS, b"short")
