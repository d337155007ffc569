"""A message as lines for people: every field and its parts, masked, named and explained in two languages."""

from collections.abc import Callable
from typing import NamedTuple

from posswitch.base.amount import amount_text
from posswitch.codec.describe import describe
from posswitch.codec.dialect import Dialect
from posswitch.codec.message import Message
from posswitch.codec.parts import Part, family_of, header_parts, parts_of, whole_meaning
from posswitch.codec.profile import field_names
from posswitch.codec.wording import Words, mti_words

_LABEL, _VALUE = 3, 42  # columns
_UNNAMED = Words("未命名", "unnamed")


class Line(NamedTuple):
    """One line: how deep it stands, the label, the masked value, a name and what the value means."""

    depth: int
    label: str
    shown: str
    name: Words
    means: Words | None = None

    def __str__(self) -> str:
        indent = "  " * self.depth
        tail = f" = {self.means}" if self.means else ""
        return f"{indent}{self.label:>{_LABEL}}  {self.shown:<{_VALUE}}  {self.name}{tail}"


def picture(dialect: Dialect, message: Message, reveal: bool = False) -> list[Line]:
    """The lines of a message that `dialect` read, header first, fields in order."""
    family = family_of(dialect.family, message.header)
    found = [_of_part(part) for part in header_parts(family, message.header, reveal)]
    if message.header and not found:
        found = [Line(1, "head", f"({len(message.header)} bytes)", Words("报文头", "header"))]
    names = field_names()
    shown, plain = describe(message, reveal), describe(message, reveal=True)
    for number in sorted(message.fields):
        text = shown[str(number)]
        name = Words(*names[number]) if number in names else _UNNAMED
        means = _field_means(family, message, number) if text == plain[str(number)] else None
        found.append(Line(0, str(number), text, name, means))
        parts = parts_of(family, message, number, reveal, text == plain[str(number)])
        found += [_of_part(part) for part in parts]
    return found


def picture_text(dialect: Dialect, message: Message, reveal: bool = False) -> str:
    """The picture of a message below its MTI in words."""
    words = mti_words(message.mti)
    head = f"MTI {message.mti}" + (f"  {words}" if words else "")
    return "\n".join([head, *map(str, picture(dialect, message, reveal))])


def _of_part(part: Part) -> Line:
    return Line(part.depth + 2, part.label, part.shown, part.name, part.means)


def _field_means(family: str, message: Message, number: int) -> Words | None:
    read = _MEANINGS.get(number)
    return (
        read(message, number) if read else whole_meaning(family, message.mti, number, message.fields[number])
    )


def _amount(message: Message, number: int) -> Words | None:
    value, currency = message.fields[number], message.fields.get(_CURRENCY_OF[number])
    if not isinstance(value, str) or not value.isdecimal() or not isinstance(currency, str):
        return None
    text = amount_text(int(value), currency)
    return Words(text, text)


def _moment(message: Message, number: int) -> Words | None:
    """`0115103000` as `01-15 10:30:00` (field 7), likewise the halves of it (12 and 13)."""
    value = message.fields[number]
    if not isinstance(value, str) or len(value) != {7: 10, 12: 6}.get(number, 4):
        return None
    pairs = [value[at : at + 2] for at in range(0, len(value), 2)]
    date, time = ([], pairs) if number == 12 else (pairs[:2], pairs[2:])
    text = " ".join(mark.join(part) for mark, part in (("-", date), (":", time)) if part)
    return Words(text, text)


_CURRENCY_OF = {4: 49, 5: 50, 6: 51}
_MEANINGS: dict[int, Callable[[Message, int], Words | None]] = {
    **dict.fromkeys(_CURRENCY_OF, _amount),
    **dict.fromkeys((7, 12, 13, 15), _moment),
}
