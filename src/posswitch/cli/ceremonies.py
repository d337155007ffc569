"""keys components, form, import, export, rotate, expire, destroy: what one person proposes."""

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from posswitch.base.errors import CryptoError, OfficeError
from posswitch.base.moment import NS_PER_S, clock_text, of_iso, stamp
from posswitch.cli.brought import brought, holders, show_parts, wipe_parts
from posswitch.cli.options import OrConfigFile, OrData, settings_of
from posswitch.cli.typed import at_terminal
from posswitch.crypto.commands import Usage
from posswitch.crypto.hostcommands import is_host_key
from posswitch.crypto.keyblock import BLOCK_CHARS_MAX
from posswitch.office.acts import PROPOSAL_HOURS, Drawn, Proposed, known_name
from posswitch.office.ceremony import BETWEEN_BANKS, block_out, check_at, mark_at, propose
from posswitch.office.checks import is_check
from posswitch.office.desk import Desk
from posswitch.office.hsm_answers import checks_for
from posswitch.office.parts import (
    KEY_BITS,
    draw_parts,
    form,
    known_algorithm,
    known_count,
    write_parts,
)
from posswitch.office.places import TABLE_OF, TDES, Place, algorithm_of, key_at, place_for, read_place, row_at
from posswitch.settings.clock import SystemClock

UsageOf = Annotated[str, typer.Argument(metavar="USAGE", help="TMK, ZPK, ZAK or ZMK.")]
PlaceOf = Annotated[str, typer.Argument(metavar="PLACE", help="bank/ID/zpk (zak, zmk), or terminal/ID/tmk.")]
By = Annotated[
    str,
    typer.Option(
        "--by",
        callback=known_name,
        help="The name of the person who does it; it is not verified.",
    ),
]
Bank = Annotated[str, typer.Option("--bank", help="The bank that shares the key.")]
Terminal = Annotated[str, typer.Option("--terminal", help="The terminal that has the key.")]
Parts = Annotated[int, typer.Option("--parts", help="Into or of how many parts.")]
FromFiles = Annotated[
    list[str] | None, typer.Option("--part", help="NAME=FILE: whose part, and where it is; repeatable.")
]
Algorithm = Annotated[
    str, typer.Option("--algorithm", help="tdes, aes or sm4; of a key for a row the row says it.")
]
Check = Annotated[str, typer.Option("--check", help="The check value that the key must have, in hex.")]
Under = Annotated[str, typer.Option("--under", help="zmk: that of the bank; parts: of a key formed now.")]
_CHECK_DIGITS_MIN = 6
_END_YEARS_MAX, _DAY_NS = 50, 86_400 * NS_PER_S


def components(
    usage: UsageOf,
    by: By,
    config: OrConfigFile = None,
    data: OrData = None,
    parts: Parts = 2,
    algorithm: Algorithm = TDES,
    bits: Annotated[int, typer.Option("--bits", help="Its length: 128, 192 or 256.")] = 128,
    to: Annotated[
        list[Path] | None,
        typer.Option("--to", help="A new file for each part, mode 600; repeatable. Without it: on screen."),
    ] = None,
) -> None:
    """Draw a new key in parts, each for one person alone; the key itself is not kept."""
    desk, use = _desk(config, data), _usage(usage)
    _software(desk, "draw them")
    if to and len(to) != known_count(parts):
        raise OfficeError(f"--to: {parts} parts need {parts} files, one for each person")
    if not to and not at_terminal():
        raise OfficeError("parts are shown at a terminal alone; give --to FILE for each of them")
    cipher, size_bytes = known_algorithm(algorithm, bits)
    drawn = draw_parts(desk.hsm, use, parts, cipher, size_bytes)
    try:
        whole = desk.checks.of(use, form(desk.hsm, use, drawn, cipher), cipher)
        checks = tuple(part.check for part in drawn)
        if to:
            write_parts(to, use, drawn)
        else:
            show_parts(drawn, use)
        _note_drawn(desk, Drawn(use, by, desk.now_ns(), checks, whole), to or [])
    finally:
        wipe_parts(drawn)
    for number, check in enumerate(checks, 1):
        print(f"part {number}: check value {check}{f'  {to[number - 1]}' if to else ''}")
    print(f"whole {use}: check value {whole}")


def _note_drawn(desk: Desk, act: Drawn, files: list[Path]) -> None:
    """Makes it durable that parts were drawn, once they are; files of which nothing is known are removed."""
    try:
        desk.note(act)
    except BaseException:
        for path in files:
            path.unlink(missing_ok=True)
        raise


def form_key(
    usage: UsageOf,
    by: By,
    config: OrConfigFile = None,
    data: OrData = None,
    bank: Bank = "",
    terminal: Terminal = "",
    part: FromFiles = None,
    parts: Parts = 2,
    algorithm: Algorithm = TDES,
    wrapped: Annotated[
        str, typer.Option("--wrapped", help="A key formed at the HSM's console, as it shows it: U…")
    ] = "",
    check: Check = "",
) -> None:
    """Propose a key made of parts, which at least two people bring; another person confirms it."""
    desk, use = _desk(config, data), _usage(usage)
    place = place_for(use, bank, terminal)
    mark = mark_at(desk, place) if place else b""
    people: tuple[tuple[str, str], ...] = ()
    if wrapped:
        key = wrapped.strip().encode()
        value = _compared(_value_at_hsm(desk, use, key, check), check)
    else:
        _software(desk, "form it")
        cipher = _cipher(desk, place, algorithm)
        with brought(part, parts, cipher, use) as given:
            key = form(desk.hsm, use, given, cipher)
            people = holders(given)
        value = _compared(desk.checks.of(use, key, cipher), check)
    print(f"whole {use}: check value {value}")
    _propose(desk, Proposed("form", by, desk.now_ns(), str(place or use), use, value, mark, key, people))


def _value_at_hsm(desk: Desk, usage: Usage, wrapped: bytes, check: str) -> str:
    """The check value of a key formed at the HSM, as the HSM says; OfficeError when it says none."""
    if desk.config.hsm is None:
        raise OfficeError("--wrapped: there is no HSM in the configuration; form the key of parts")
    if not is_host_key(wrapped) or not check:
        raise OfficeError("--wrapped: copy the key as the HSM shows it (U…), and give --check VALUE")
    said = checks_for(desk, [(usage, wrapped)]).of(usage, wrapped)
    if not is_check(said):
        raise OfficeError(f"{usage}: {said}; nothing was done")
    return said


def import_key(
    usage: UsageOf,
    by: By,
    config: OrConfigFile = None,
    data: OrData = None,
    bank: Bank = "",
    terminal: Terminal = "",
    block: Annotated[str, typer.Option("--block", help="A key block (TR-31), or @FILE.")] = "",
    cryptogram: Annotated[str, typer.Option("--cryptogram", help="Under the bank's ZMK, hex or @FILE.")] = "",
    under: Under = "zmk",
    part: FromFiles = None,
    parts: Parts = 2,
    algorithm: Algorithm = TDES,
    check: Check = "",
) -> None:
    """Propose a key that came under another one; another person confirms it."""
    desk, use = _desk(config, data), _usage(usage)
    place = place_for(use, bank, terminal)
    mark = mark_at(desk, place) if place else b""
    _software(desk, "import it")
    if bool(block) == bool(cryptogram) or under not in ("zmk", "parts"):
        raise OfficeError("give either --block or --cryptogram, and --under zmk or --under parts")
    if cryptogram and (under != "zmk" or not check):
        raise OfficeError("a cryptogram comes under a bank's ZMK: give --bank and --check VALUE")
    cipher = _cipher(desk, place, algorithm)
    try:
        if under == "parts":
            with brought(part, parts, TDES) as given:
                values = [bytes(one.value) for one in given]
                header, wrapped = desk.hsm.import_under_parts(values, use, cipher, _text(block))
                came = _Came(wrapped, header.exportability, "", holders(given))
        else:
            came = _under_zmk(desk, bank, use, cipher, _text(block), _text(cryptogram))
    except CryptoError as error:
        raise OfficeError(str(error)) from None
    value = _compared(desk.checks.of(use, came.wrapped, cipher), check)
    print(f"{use}: check value {value}; compare it with whoever sent the key")
    _propose(desk, Proposed(
        "import", by, desk.now_ns(), str(place or use), use, value, mark, came.wrapped, came.holders,
        exportability=came.exportability, under=came.under,
    ))  # fmt: skip


class _Came(NamedTuple):
    """A key that came under another one, and what is said of it."""

    wrapped: bytes
    exportability: str  # as its block says
    under: str  # the check value of the key above
    holders: tuple[tuple[str, str], ...] = ()


def _under_zmk(desk: Desk, bank: str, usage: Usage, cipher: str, block: str, cryptogram: str) -> _Came:
    zmk = _zmk(desk, bank)
    above = desk.checks.of(Usage.ZMK, zmk)
    if cryptogram:
        if cipher != TDES:
            raise OfficeError(f"a cryptogram holds keys of tdes, not of {cipher}; carry it in components")
        return _Came(desk.hsm.import_cryptogram(zmk, usage, _hex(cryptogram)), "", above)
    header, wrapped = desk.hsm.import_block(zmk, usage, cipher, block)
    return _Came(wrapped, header.exportability, above)


def export_key(
    bank: Annotated[str, typer.Option("--bank", help="Whose key goes out, under its zone master key.")],
    key: Annotated[str, typer.Option("--key", help="zpk, zak, or zmk (under the one before it).")],
    by: By,
    config: OrConfigFile = None,
    data: OrData = None,
) -> None:
    """Propose that a bank's key goes out in a key block; the block is shown when it is confirmed."""
    desk = _desk(config, data)
    place = read_place(f"bank/{bank}/{key}")
    _, under = block_out(desk, place)
    check = check_at(desk, place)
    _propose(desk, Proposed(
        "export", by, desk.now_ns(), str(place), place.usage, check, mark_at(desk, place), under=under,
    ))  # fmt: skip


def rotate(
    banks: Annotated[list[str], typer.Argument(metavar="BANK...", help="Banks that have a zone master key.")],
    by: By,
    config: OrConfigFile = None,
    data: OrData = None,
) -> None:
    """Propose to exchange new zone keys with these banks now."""
    desk = _desk(config, data)
    _propose(desk, Proposed("rotate", by, desk.now_ns(), BETWEEN_BANKS.join(dict.fromkeys(banks))))


def expire(
    place: PlaceOf,
    by: By,
    config: OrConfigFile = None,
    data: OrData = None,
    on: Annotated[str, typer.Option("--on", help="When (2027-12-31); without it now.")] = "",
) -> None:
    """Propose when the crypto-period of a key ends; keys list warns before."""
    desk, where = _desk(config, data), read_place(place)
    end_ns = _end(on, desk.now_ns()) if on else desk.now_ns()
    said = f"{place}: its crypto-period ends {clock_text(end_ns)}"
    _propose(desk, _about(desk, "expire", where, by, end_ns), said)


def _end(on: str, now_ns: int) -> int:
    """The beginning of a day from today on; OfficeError for another one."""
    try:
        end_ns = of_iso(on)
    except (ValueError, OverflowError):
        raise OfficeError(f"--on: {on!r} is no date; write 2027-12-31") from None
    near = -_DAY_NS < end_ns - now_ns <= _END_YEARS_MAX * 366 * _DAY_NS
    if not near or stamp(end_ns).day < stamp(now_ns).day:
        raise OfficeError(
            f"--on: {on} is past or more than {_END_YEARS_MAX} years off; "
            "write a date from today on, 2027-12-31, or leave --on out: it ends now"
        )
    return end_ns


def destroy(place: PlaceOf, by: By, config: OrConfigFile = None, data: OrData = None) -> None:
    """Propose to destroy a key, its terminal or bank with it (of a zmk the key alone). Irreversible."""
    desk, where = _desk(config, data), read_place(place)
    said = f"{place}: once confirmed, no row can hold this key again: irreversible / 销毁后不可恢复"
    _propose(desk, _about(desk, "destroy", where, by, 0), said)


def _about(desk: Desk, what: str, place: Place, by: str, end_ns: int) -> Proposed:
    """A proposal about a key that stands somewhere."""
    check, mark = check_at(desk, place), mark_at(desk, place)
    return Proposed(what, by, desk.now_ns(), str(place), place.usage, check, mark, end_ns=end_ns)


def _propose(desk: Desk, proposal: Proposed, said: str = "") -> None:
    number = propose(desk, proposal)
    if said:
        print(said)
    print(f"proposal {number}: {proposal.what} {proposal.place}, by {proposal.by}; nothing has happened yet")
    print(
        f"another person confirms it within {PROPOSAL_HOURS} hours: posswitch keys confirm {number} --by NAME"
    )


def _desk(config: Path | None, data: Path | None) -> Desk:
    return Desk(settings_of(config, data), SystemClock())


def _usage(text: str) -> Usage:
    """A usage that long-lived keys have."""
    usage = text.upper()
    if usage not in TABLE_OF:
        raise OfficeError(f"no usage {text!r} of a long-lived key; there are {', '.join(TABLE_OF)}")
    return Usage(usage)


def _software(desk: Desk, act: str) -> None:
    """Refuses what only the HSM may do with its own keys."""
    if desk.config.hsm is not None:
        raise OfficeError(
            f"keys lie in the HSM: {act} at the HSM's own console, then give it with "
            "posswitch keys form --wrapped U… --check VALUE"
        )


def _cipher(desk: Desk, place: Place | None, given: str) -> str:
    """Of which cipher a key is: as its row says, else as it is given."""
    if place is not None:
        return algorithm_of(row_at(desk.registry, place), place.column)
    if given.lower() not in KEY_BITS:
        raise OfficeError(f"--algorithm: there are {', '.join(KEY_BITS)}")
    return given.lower()


def _compared(value: str, said: str) -> str:
    """A check value, held against the one that a person gave."""
    digits = "".join(said.split()).upper()
    if digits and (len(digits) < _CHECK_DIGITS_MIN or not value.startswith(digits[: len(value)])):
        raise OfficeError(f"--check: the key's is {value}, another one was given; nothing was done")
    return value


def _zmk(desk: Desk, bank: str) -> bytes:
    if not bank:
        raise OfficeError("give --bank (whose zone master key it comes under), or --under parts")
    zmk = key_at(desk.registry, Place("bank", bank, "zmk"))
    if not zmk:
        raise OfficeError(f"bank {bank} has no zone master key: form or import one first")
    return zmk


def _text(given: str) -> str:
    """A value of the command line, or what stands in @FILE."""
    if not given.startswith("@"):
        return given.strip()
    with Path(given[1:]).open("rb") as file:
        return file.read(BLOCK_CHARS_MAX + 2).decode("ascii", "replace").strip()


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise OfficeError("--cryptogram: must be hex digits, or @FILE") from None
