"""What differs between two messages, also of two dialects: field by field and part by part, masked."""

from typing import NamedTuple

from posswitch.codec.describe import describe
from posswitch.codec.dialect import Dialect
from posswitch.codec.message import Message, Value
from posswitch.codec.parts import family_of, parts_of
from posswitch.codec.profile import field_names
from posswitch.codec.wording import Words

_TRACKS = (35, 36)  # their separator is a matter of the dialect
_HIDDEN = "***"
_ABSENT = "-"


class Difference(NamedTuple):
    """A field or part that is not the same: what may be shown of both, `-` where it is absent."""

    label: str
    one: str
    other: str
    name: Words

    def __str__(self) -> str:
        return f"{self.label:>7}  {self.one}  |  {self.other}  {self.name}"


class Spoken(NamedTuple):
    """A message and the dialect it was read in."""

    dialect: Dialect
    message: Message


def differences(one: Spoken, other: Spoken, reveal: bool = False) -> list[Difference]:
    """Everything that differs, MTI first; headers are not compared, they change at every hop."""
    found = []
    if one.message.mti != other.message.mti:
        found.append(Difference("MTI", one.message.mti, other.message.mti, Words("消息类型", "message type")))
    names = field_names()
    shown = describe(one.message, reveal), describe(other.message, reveal)
    for number in sorted({**one.message.fields, **other.message.fields}):
        if _same(number, one, other):
            continue
        left, right = (texts.get(str(number), _ABSENT) for texts in shown)
        name = Words(*names.get(number, ("未命名", "unnamed")))
        found.append(Difference(str(number), left, right, _told(left, right, name)))
        found += _parts_differing(number, one, other, reveal)
    return found


def _told(left: str, right: str, name: Words) -> Words:
    """The name, with a remark when the mask hides what differs."""
    if left != right:
        return name
    return Words(f"{name.zh}（不同处被遮盖）", f"{name.en} (the difference is masked)")


def _same(number: int, one: Spoken, other: Spoken) -> bool:
    left, right = one.message.fields.get(number), other.message.fields.get(number)
    if isinstance(left, str) and isinstance(right, str) and number in _TRACKS:
        return left.replace("=", "D") == right.replace("=", "D")
    if left is None or right is None or type(left) is type(right):
        return left == right
    return _written(one, number, left) == _written(other, number, right)  # text here, bytes there


def _written(spoken: Spoken, number: int, value: Value) -> bytes:
    return value if isinstance(value, bytes) else spoken.dialect.columns[number].encoding.write(value)


def _parts_differing(number: int, one: Spoken, other: Spoken, reveal: bool) -> list[Difference]:
    if number not in one.message.fields or number not in other.message.fields:
        return []
    known, shown = (
        tuple(_parts(spoken, number, clear) for spoken in (one, other)) for clear in (True, reveal)
    )
    found = []
    for label in {**known[0], **known[1]}:
        left, right = known[0].get(label), known[1].get(label)
        if left is not None and right is not None and left[0] == right[0]:
            continue
        name = (left or right or ("", Words("", "")))[1]
        texts = [_shown(part, masked.get(label)) for part, masked in zip((left, right), shown, strict=True)]
        found.append(Difference(label, texts[0], texts[1], _told(texts[0], texts[1], name)))
    return found


def _shown(part: tuple[str, Words] | None, masked: tuple[str, Words] | None) -> str:
    if part is None:
        return _ABSENT
    return masked[0] if masked else _HIDDEN


def _parts(spoken: Spoken, number: int, reveal: bool) -> dict[str, tuple[str, Words]]:
    """Label -> text and name; a label that comes again is numbered."""
    message = spoken.message
    family = family_of(spoken.dialect.family, message.header)
    plain = describe(message, reveal=True)[str(number)]
    whole = reveal or describe(message)[str(number)] == plain
    found: dict[str, tuple[str, Words]] = {}
    for part in parts_of(family, message, number, reveal, whole):
        label, count = part.label, 1
        while label in found:
            count += 1
            label = f"{part.label}#{count}"
        found[label] = (part.shown, part.name)
    return found
