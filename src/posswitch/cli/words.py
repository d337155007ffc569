"""decode and explain: bytes and codes in words."""

import json
from pathlib import Path
from typing import Annotated

import typer

from posswitch.base.codes import explain_text, lookup
from posswitch.base.errors import CodecError, ConfigError
from posswitch.cli.capture import NEITHER, is_file, rather_a_name
from posswitch.cli.options import AsJson, Lang, OrLang
from posswitch.cli.recorded import AUTO, decode_many
from posswitch.codec import (
    Damage,
    Dialect,
    decode_json,
    examine,
    examine_text,
    load_dialect,
    picture_text,
)
from posswitch.settings.finding import shown


def decode(
    text: Annotated[
        str,
        typer.Argument(
            metavar="HEX", help="One frame without its length prefix; or @FILE, - or a file of many."
        ),
    ],
    dialect: Annotated[str, typer.Option(help="pos, cups, iso87a, iso87b, or a dialect file.")] = "pos",
    as_json: AsJson = False,
    reveal: Annotated[bool, typer.Option(help="Show card data (test data only).")] = False,
    framing: Annotated[
        str | None, typer.Option(help="How a file is cut: none, bin2, ascii4 …; without it auto.")
    ] = None,
) -> None:
    """Print a message field by field, masked; or every message of a file or network recording."""
    if is_file(text):
        raise typer.Exit(decode_many(text, dialect, framing or AUTO, as_json, reveal))
    if framing is not None:
        raise ConfigError("--framing: HEX is one frame, nothing is cut; leave it out, or give a file")
    spoken = load_dialect(dialect)
    try:
        decoded = decode_json(spoken, text, reveal)
    except CodecError as error:
        if as_json:
            print(json.dumps({"error": error.reason, "field": error.field, "offset": error.offset}))
        elif rather_a_name(text):
            raise ConfigError(f"{shown(text)}: {NEITHER}") from None
        else:
            damage = _damage(spoken, text, error)
            print(damage)
            cause = f"; {damage.causes[0].words.en}" if damage.causes else ""
            typer.echo(f"posswitch: {Path(dialect).name}: {error}{cause}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        print(json.dumps(decoded, ensure_ascii=False))
        return
    print(picture_text(spoken, spoken.unpack(bytes.fromhex("".join(text.split()))), reveal))


def _damage(dialect: Dialect, text: str, error: CodecError) -> Damage:
    try:
        payload = bytes.fromhex("".join(text.split()))
    except ValueError:
        return examine_text(dialect, text, error)
    return examine(dialect, payload, error)


def explain(
    code: Annotated[str, typer.Argument(help="A response code, for example 96.")],
    lang: OrLang = None,
) -> None:
    """Say what a response code means and what cashier and operator do."""
    if lookup(code.strip().upper()) is None:
        typer.echo(f"posswitch: no code {code!r} in the table; an unknown code counts as a decline", err=True)
        raise typer.Exit(2)
    languages = [lang] if lang else list(Lang)
    print("\n\n".join(explain_text(code, language.value) for language in languages))
