"""Parts of a key between people and program: shown to one alone, typed without echo, or in files."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from posswitch.base.errors import OfficeError
from posswitch.cli.typed import show_alone, typed, typed_words
from posswitch.crypto.commands import Usage
from posswitch.office.acts import person, same_name
from posswitch.office.parts import Part, hexed, known_count, load_part, read_part, wipe


def show_parts(drawn: list[Part], usage: Usage) -> None:
    """Shows one part after another, each to its holder alone."""
    for number, part in enumerate(drawn, 1):
        typed(
            f"part {number} of {len(drawn)}: its holder alone may look; press Enter",
            hidden=True,
        )
        text = bytearray(f"part {number} of {len(drawn)} of a {usage}\n\n".encode())
        digits = hexed(part.value)
        text += digits + f"\n\ncheck value {part.check}\n\n".encode()
        try:
            show_alone(text, "write it down, put it away, then press Enter; it is not shown again")
        finally:
            wipe(digits)
            wipe(text)


@contextlib.contextmanager
def brought(files: list[str] | None, count: int, algorithm: str, usage: str = "") -> Iterator[list[Part]]:
    """The parts that people bring, in files or typed; wiped in the end.

    OfficeError unless they are two, and for files that say another usage.
    """
    given: list[Part] = []
    try:
        for number in range(1, known_count(len(files) if files else count) + 1):
            name, file = _holder(files[number - 1] if files else "", number)
            value = load_part(file, usage) if file else _typed_part(number)
            given.append(Part(name, value, algorithm))
            print(f"part {number} ({name}): check value {given[-1].check}")
        if all(same_name(given[0].holder, one.holder) for one in given):
            raise OfficeError(f"all parts are {given[0].holder}'s; two people at least must bring them")
        yield given
    finally:
        wipe_parts(given)


def _holder(written: str, number: int) -> tuple[str, Path | None]:
    """Whose part it is, and its file when it is in one."""
    if not written:
        who = typed_words(f"who brings part {number}? ")
        if not who:
            raise OfficeError(
                f"part {number}: nobody brings it; type a name, or give --part NAME=FILE for each"
            )
        return person(f"part {number}", who), None
    name, given, file = written.partition("=")
    if not given or not file:
        raise OfficeError("--part: write NAME=FILE, whose part and where it is")
    return person("--part", name), Path(file)


def _typed_part(number: int) -> bytearray:
    return read_part(typed(f"part {number}, hex (not shown): ", hidden=True), f"part {number}")


def wipe_parts(parts: list[Part]) -> None:
    """Overwrites parts that are not needed any more."""
    for part in parts:
        part.wipe()


def holders(given: list[Part]) -> tuple[tuple[str, str], ...]:
    """Who brought which part, by its check value."""
    return tuple((one.holder, one.check) for one in given)
