"""decode of many frames, diff, convert, fit: what can be done with recorded bytes."""

import json
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from posswitch.base.errors import CodecError, ConfigError
from posswitch.cli.capture import Source, source
from posswitch.cli.options import AsJson
from posswitch.codec import Dialect, Message, describe, examine, load_dialect, picture_text
from posswitch.codec.compare import Spoken, differences
from posswitch.codec.convert import convert as rewritten
from posswitch.codec.cut import FRAMINGS, NO_FRAMING, cut
from posswitch.codec.fit import Fit, dialect_file, fits

Reveal = Annotated[bool, typer.Option(help="Show card data (test data only).")]


AUTO = "auto"
_FRAMES_TRIED = 500  # of each framing, before one is chosen
_BAD_LINES_TOLD = 20


class Frame(NamedTuple):
    """One frame of a source."""

    number: int
    label: str
    payload: bytes


def frames_of(given: Source, dialect: Dialect, framing: str) -> list[Frame]:
    """The frames of a source; `auto` takes the framing under which the dialect reads most of them."""
    if framing not in (AUTO, *FRAMINGS):
        raise ConfigError(f"framing {framing!r} is not known; use auto or one of {', '.join(FRAMINGS)}")
    data = [chunk.data for chunk in given.chunks]
    if framing == AUTO:
        framing = max(FRAMINGS, key=lambda name: _readable(dialect, data, name))
    found = []
    for chunk in given.chunks:
        found += [(chunk.label, payload) for payload in cut([chunk.data], framing).frames]
    return [Frame(number, label, payload) for number, (label, payload) in enumerate(found, 1)]


def _readable(dialect: Dialect, data: list[bytes], framing: str) -> tuple[int, ...]:
    """Frames that can be read, then fewest that cannot; where none can, which framing takes all bytes."""
    made = cut(data, framing)
    frames = made.frames[:_FRAMES_TRIED]
    good = sum(_read(dialect, frame) is not None for frame in frames)
    if not good:
        return 0, bool(frames), -made.lost - made.open, framing != NO_FRAMING
    return good, good - len(frames)


def _read(dialect: Dialect, payload: bytes) -> Message | None:
    try:
        return dialect.unpack(payload)
    except CodecError:
        return None


def print_frames(dialect: Dialect, frames: list[Frame], as_json: bool, reveal: bool) -> int:
    """Prints every frame, and ends with 0, 1 when some and 2 when all could not be read."""
    bad = 0
    for frame in frames:
        try:
            message = dialect.unpack(frame.payload)
        except CodecError as error:
            bad += 1
            if as_json:
                row = {"error": error.reason, "field": error.field, "offset": error.offset}
                print(json.dumps({"frame": frame.number, **row}))
            else:
                print(f"#{frame.number}  {frame.label}\n{examine(dialect, frame.payload, error)}\n")
            continue
        if as_json:
            decoded = {"mti": message.mti, "fields": describe(message, reveal)}
            print(json.dumps({"frame": frame.number, **decoded}, ensure_ascii=False))
        else:
            print(f"#{frame.number}  {frame.label}\n{picture_text(dialect, message, reveal)}\n")
    if bad:
        typer.echo(f"posswitch: {bad} of {len(frames)} frames could not be read by {dialect.name}", err=True)
    elif not frames:
        typer.echo(
            f"posswitch: no {dialect.name} message was found; try --framing, or posswitch fit", err=True
        )
    return 2 if bad == len(frames) else 1 if bad else 0


def _one_message(side: str, text: str, dialect: Dialect) -> Message:
    """The only message of an argument; ConfigError names the side when it is not one or cannot be read."""
    try:
        given = source(text)
        frames = frames_of(given, dialect, "none" if given.kind == "hex" else AUTO)
        if len(frames) == 1:
            return dialect.unpack(frames[0].payload)
    except CodecError as error:
        raise ConfigError(f"{side}: {dialect.name} cannot read it: {error}") from None
    except ConfigError as error:
        raise ConfigError(f"{side}: {error}") from None
    raise ConfigError(f"{side}: {len(frames)} messages; give exactly one")


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A message: HEX, @FILE or -.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    dialect: Annotated[str, typer.Option(help="pos, cups, iso87a, iso87b, or a dialect file.")] = "pos",
    dialect_b: Annotated[str | None, typer.Option(help="The dialect of B, when it is another.")] = None,
    as_json: AsJson = False,
    reveal: Reveal = False,
) -> None:
    """Compare two messages field by field, masked: exit 0 same, 1 different, 2 unreadable."""
    spoken = load_dialect(dialect), load_dialect(dialect_b or dialect)
    one, other = (
        Spoken(said, _one_message(side, text, said))
        for side, said, text in zip("AB", spoken, (a, b), strict=True)
    )
    found = differences(one, other, reveal)
    if as_json:
        rows = [{"field": row.label, "a": row.one, "b": row.other} for row in found]
        print(json.dumps({"same": not found, "differences": rows}, ensure_ascii=False))
    else:
        print("\n".join(map(str, found)) or "相同 · the same")
    raise typer.Exit(1 if found else 0)


def convert(
    text: Annotated[str, typer.Argument(metavar="HEX", help="A message: HEX, @FILE or -.")],
    came: Annotated[str, typer.Option("--from", help="Its dialect.")],
    goes: Annotated[str, typer.Option("--to", help="The dialect to write it in.")],
    header: Annotated[str | None, typer.Option(metavar="HEX", help="Instead of the default header.")] = None,
    as_json: AsJson = False,
    reveal: Reveal = False,
) -> None:
    """Rewrite a message in another dialect and say what did not fit; the bytes only with --reveal."""
    target = load_dialect(goes)
    try:
        front = None if header is None else bytes.fromhex(header)
    except ValueError:
        raise ConfigError("--header: not hexadecimal") from None
    done = rewritten(_one_message("HEX", text, load_dialect(came)), target, front)
    if as_json:
        row: dict[str, object] = {"mti": done.message.mti, "fields": describe(done.message, reveal)}
        row["notes"] = [
            {"field": note.field, "zh": note.words.zh, "en": note.words.en} for note in done.notes
        ]
        print(json.dumps(row | ({"hex": done.payload.hex().upper()} if reveal else {}), ensure_ascii=False))
        return
    if reveal:
        print(done.payload.hex().upper())
    else:
        print(picture_text(target, done.message))
    for note in done.notes:
        typer.echo(str(note), err=True)


def fit(
    capture: Annotated[str, typer.Argument(help="HEX, @FILE, - or a file: hex lines, raw bytes or a pcap.")],
    as_json: AsJson = False,
) -> None:
    """Find the framing and dialect that recorded bytes fit, and print a dialect file for the best."""
    found = fits([chunk.data for chunk in source(capture).chunks])
    if not found:
        typer.echo("posswitch: nothing fits; is it encrypted, compressed, or no ISO 8583 at all?", err=True)
        raise typer.Exit(1)
    if as_json:
        rows = [_row(one) for one in found]
        print(json.dumps({"fits": rows, "dialect": dialect_file(found[0])}, ensure_ascii=False))
        return
    for place, one in enumerate(found, 1):
        changes = ", ".join(f"{key}={value}" for key, value in one.settings.items() if key != "base")
        print(f"{place}. {one.score:5.1f}  framing {one.framing}, dialect {one.name} {changes}".rstrip())
        print("\n".join(f"       {reason}" for reason in one.reasons))
    print(f"\n{dialect_file(found[0])}", end="")


def _row(one: Fit) -> dict[str, object]:
    return {
        "framing": one.framing,
        "dialect": one.name,
        "settings": one.settings,
        "score": one.score,
        "read": one.read,
        "frames": one.frames,
        "reasons": [reason.en for reason in one.reasons],
    }


def decode_many(text: str, dialect: str, framing: str, as_json: bool, reveal: bool) -> int:
    """Decodes every frame of a file; the exit code."""
    spoken = load_dialect(dialect)
    given = source(text)
    code = print_frames(spoken, frames_of(given, spoken, framing), as_json, reveal)
    name = Path(text.removeprefix("@")).name
    for number in given.bad[:_BAD_LINES_TOLD]:
        typer.echo(
            f"posswitch: {name}:{number}: no hexadecimal; correct it, or put # before a remark", err=True
        )
    if len(given.bad) > _BAD_LINES_TOLD:
        typer.echo(f"posswitch: {name}: and {len(given.bad) - _BAD_LINES_TOLD:,} more such lines", err=True)
    return 2 if given.bad else code
