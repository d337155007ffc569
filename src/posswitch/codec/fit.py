"""Finds the framing, header and dialect that recorded bytes fit: shapes first, then values."""

from itertools import product
from typing import Any, NamedTuple

from posswitch.base.errors import CodecError, ConfigError
from posswitch.codec.cut import FRAMINGS, Cut, cut
from posswitch.codec.dialect import Dialect
from posswitch.codec.frame import PREFIXES
from posswitch.codec.message import Message
from posswitch.codec.plausible import passed_of, sense
from posswitch.codec.profile import BUILT_IN, dialect_of, load_dialect
from posswitch.codec.shape import MTI_BYTES, TABLES, Shape, bitmap_at, lengths_over, mti_at, reach
from posswitch.codec.wording import Words

FRAMES_TRIED = 24
_USUAL_HEADERS = (0, 5, 11, 46)
_HEADERS = (*_USUAL_HEADERS, *(size for size in range(1, 65) if size not in _USUAL_HEADERS))
_SHAPES_KEPT = 24
_FITS_KEPT = 5
_HALF = 0.5
_TEXTS = {"pos": ("gb18030", "ebcdic"), "cups": ("gb18030", "ebcdic"), "iso87a": ("latin-1", "ebcdic")}
_PADS: tuple[dict[str, Any], ...] = tuple(
    {"odd_LLnumeric_pad": behind, "odd_fixed_numeric_pad": fixed, "left_aligned_fixed": left}
    for behind, (fixed, left) in product(("right", "left"), (("left", []), ("left", [22]), ("right", [])))
)
_KEYS = (
    "mti", "bitmap", "bitmap_fixed_128", "length_indicator", "numeric", "text", "binary_fields",
    "header_bytes", "odd_LLnumeric_pad", "odd_fixed_numeric_pad", "left_aligned_fixed",
)  # fmt: skip
_PREFIX_BYTES = {"bin2": 2, "bin2self": 2, "bcd2": 2, "ascii4": 4, "bin4": 4}


class Fit(NamedTuple):
    """One framing and dialect, how well it fits (0 to 100), and why."""

    framing: str
    name: str  # of the built-in, or of the one that its file starts from with a plus
    settings: dict[str, Any]  # of a dialect file
    score: float
    read: int
    frames: int
    passed: int
    failed: int
    reasons: tuple[Words, ...]

    @property
    def dialect(self) -> Dialect:
        """The dialect itself."""
        return dialect_of(self.name, self.settings)


def fits(chunks: list[bytes]) -> list[Fit]:
    """What recorded chunks fit, the best first; deterministic, its work bounded by FRAMES_TRIED frames."""
    found: dict[tuple[str, str], Fit] = {}
    for framing in FRAMINGS:
        pieces = cut(chunks, framing)
        sample = pieces._replace(frames=pieces.frames[:FRAMES_TRIED])
        for shape, share in _shapes(sample.frames):
            for fit in _refined(pieces, sample.frames, shape, share):
                key = (fit.framing, repr(fit.settings))
                if key not in found or fit.score > found[key].score:
                    found[key] = fit
    ranked = sorted(found.values(), key=lambda fit: (-fit.score, len(fit.settings)))
    return ranked[:_FITS_KEPT]


def _shapes(frames: list[bytes]) -> list[tuple[Shape, float]]:
    """The shapes under which many frames end where their fields end, the best first."""
    scored: list[tuple[float, int, Shape]] = []
    for header, way in product(_HEADERS, MTI_BYTES):
        spoken = [frame for frame in frames if mti_at(frame, header, way)]
        if not spoken or len(spoken) < len(frames) * _HALF:
            continue
        for bitmap, fixed in product(("binary", "hex-ascii"), (False, True)):
            scored += _walked(frames, Shape(header, way, bitmap, fixed, "", "", "", ""))
    best = max((share for share, _, _ in scored), default=0.0)
    kept = [(share, order, shape) for share, order, shape in scored if share >= best * 0.7]
    kept.sort(key=lambda row: (-row[0], row[1]))
    return [(shape, share) for share, _, shape in kept[:_SHAPES_KEPT]]


def _walked(frames: list[bytes], start: Shape) -> list[tuple[float, int, Shape]]:
    """Share of frames read to their end, and how unusual that is, for every table and encoding."""
    begun: list[tuple[bytes, list[int], int]] = []
    for frame in frames:
        if not mti_at(frame, start.header, start.mti):
            continue
        numbers, at = bitmap_at(frame, start.header + MTI_BYTES[start.mti], start.bitmap, start.fixed_128)
        if numbers:
            begun.append((frame, numbers, at))
    if len(begun) < len(frames) * _HALF:
        return []
    found = []
    for table, lengths, numeric, binary in product(
        TABLES, ("ascii", "bcd", "binary", "ebcdic"), ("ascii", "bcd", "ebcdic"), ("raw", "hex-ascii")
    ):
        shape = start._replace(table=table, lengths=lengths, numeric=numeric, binary=binary)
        whole = sum(reach(frame, numbers, at, shape) == len(frame) for frame, numbers, at in begun)
        if whole:
            found.append((whole / len(frames), _distance(shape), shape))
    return found


def _distance(shape: Shape) -> int:
    """How many keys of a dialect file this shape changes in the nearest built-in."""
    return min(len(_changed(name, _settings(shape))) for name in _homes(shape.table))


def _homes(table: str) -> list[str]:
    base = TABLES[table][0]
    return [name for name, column in BUILT_IN.items() if column == BUILT_IN[base]]


def _settings(shape: Shape) -> dict[str, Any]:
    return {
        "header_bytes": shape.header,
        "mti": shape.mti,
        "bitmap": shape.bitmap,
        "bitmap_fixed_128": shape.fixed_128,
        "length_indicator": shape.lengths,
        "numeric": shape.numeric,
        "binary_fields": shape.binary,
    }


def _changed(name: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """What a dialect file says over the built-in `name`."""
    home = {"bitmap_fixed_128": False, "header_bytes": 0, "left_aligned_fixed": []}
    home |= {"odd_LLnumeric_pad": "right", "odd_fixed_numeric_pad": "left"} | load_dialect(name).settings
    return {key: value for key, value in wanted.items() if home.get(key) != value}


def _refined(pieces: Cut, frames: list[bytes], shape: Shape, share: float) -> list[Fit]:
    """The fits of a shape: text and padding as the values say, odd fields as they stand."""
    base, special = TABLES[shape.table]
    extra: dict[str, Any] = {}
    if special:
        extra["field_overrides"] = {str(number): list(spec) for number, spec in special.items()}
    longer = _too_long(frames, shape)
    if longer:
        extra["fields"] = {str(number): {"max": 999, "prefix": "LLL"} for number in longer}
    ways = [
        _settings(shape) | _with_chip(extra, chip) | pads | {"text": text}
        for text in _TEXTS[base]
        for pads in (_PADS if shape.numeric == "bcd" else ({},))
        for chip in ((False, True) if base == "iso87a" else (False,))
    ]
    found = []
    for wanted in ways:
        for name in _homes(shape.table):
            fit = _judged(pieces, frames, name, {"base": name} | _changed(name, wanted))
            if fit is not None:
                found.append(fit)
    found.sort(key=lambda fit: -fit.score)
    return found[:2]


def _with_chip(extra: dict[str, Any], chip: bool) -> dict[str, Any]:
    """The odd fields, with field 55 as chip data when the base has text there."""
    if not chip:
        return extra
    rows = extra.get("fields", {})
    return extra | {"fields": rows | {"55": {"encoding": "raw"} | rows.get("55", {})}}


def _too_long(frames: list[bytes], shape: Shape) -> list[int]:
    over: dict[int, None] = {}
    for frame in frames:
        numbers, at = bitmap_at(frame, shape.header + MTI_BYTES[shape.mti], shape.bitmap, shape.fixed_128)
        if numbers and reach(frame, numbers, at, shape) == len(frame):
            over |= dict.fromkeys(lengths_over(frame, numbers, at, shape))
    return sorted(over)


def _judged(pieces: Cut, frames: list[bytes], name: str, settings: dict[str, Any]) -> Fit | None:
    try:
        dialect = dialect_of(name, settings)
    except ConfigError:
        return None
    messages = [message for frame in frames if (message := _read(dialect, frame)) is not None]
    if not messages:
        return None
    counts = [sense(message) for message in messages]
    passed, failed = sum(count.passed for count in counts), sum(count.failed for count in counts)
    read = len(messages) / len(frames)
    explained = _explained(pieces)
    score = 55 * read * explained + 30 * passed / (passed + failed) + 15 * explained
    score -= sum(_PENALTIES.get(key, 1.0) for key in settings if key != "base")
    score += _FRAMED if pieces.framing in PREFIXES else 0.0
    score -= min(5.0, pieces.idle / len(pieces.frames))  # a zero before each frame is half of its length
    score -= _header_doubt(dialect.header_bytes, frames)
    label = name if len(settings) == 1 else f"{name}+"
    return Fit(
        pieces.framing,
        label,
        settings,
        round(max(0.0, score), 2),
        len(messages),
        len(frames),
        passed,
        failed,
        _reasons(pieces, messages, len(frames), passed, failed, dialect),
    )


_FRAMED = 1.5  # points for lengths that fit: none of them is an accident
_PENALTIES = {"fields": 1.0, "field_overrides": 2.0, "text": 0.5, "left_aligned_fixed": 0.5}


def _read(dialect: Dialect, frame: bytes) -> Message | None:
    try:
        return dialect.unpack(frame)
    except CodecError:
        return None


def _explained(pieces: Cut) -> float:
    """Share of the bytes that belong to frames, of those that can."""
    size = PREFIXES[pieces.framing].prefix_bytes if pieces.framing in PREFIXES else 0
    covered = sum(len(frame) + size for frame in pieces.frames)
    return covered / (covered + pieces.lost) if covered else 0.0


def _header_doubt(header: int, frames: list[bytes]) -> float:
    """Points off for a header of an unusual length, or one that does not begin as its kind does."""
    if header not in _USUAL_HEADERS:
        return 6.0
    begins = {5: b"\x60", 11: b"\x60", 46: b"\x2e"}.get(header)
    if begins is None:
        return 0.0
    wrong = sum(not frame.startswith(begins) for frame in frames)
    return 4.0 * wrong / len(frames)


_TELLING = (
    ("卡号通过 Luhn", "card numbers pass Luhn", (2,)),
    ("日期时间有效", "dates and times exist", (7, 12, 13, 15)),
    ("金额合理", "amounts are plausible", (4,)),
    ("交易码、应答码已知", "processing and response codes are known", (3, 39)),
)


def _reasons(
    pieces: Cut, messages: list[Message], frames: int, passed: int, failed: int, dialect: Dialect
) -> tuple[Words, ...]:
    read = len(messages)
    said = [
        Words(f"{frames} 帧中 {read} 帧读到最后一字节", f"{read} of {frames} frames read to their last byte"),
        Words(f"取值检查 {passed} 项合理，{failed} 项可疑", f"{passed} values plausible, {failed} doubtful"),
    ]
    for zh, en, numbers in _TELLING:
        good, count = passed_of(messages, numbers)
        if count:
            said.append(Words(f"{zh}：{count} 个中 {good} 个", f"{en}: {good} of {count}"))
    if pieces.lost or pieces.open:
        said.append(
            Words(
                f"{pieces.lost} 字节不属于任何帧，{pieces.open} 字节为未完的帧",
                f"{pieces.lost} bytes belong to no frame, {pieces.open} to an unfinished one",
            )
        )
    if dialect.header_bytes:
        said.append(Words(f"报文头 {dialect.header_bytes} 字节", f"a header of {dialect.header_bytes} bytes"))
    return tuple(said)


def dialect_file(fit: Fit) -> str:
    """The dialect file of a fit, in TOML."""
    lines = [f"# framing: {fit.framing}; {fit.read} of {fit.frames} frames read to their last byte"]
    settings = {"base": fit.settings["base"]} | {
        key: fit.settings[key] for key in _KEYS if key in fit.settings
    }
    if fit.framing in _PREFIX_BYTES:
        settings["length_prefix_bytes"] = _PREFIX_BYTES[fit.framing]
    lines += [f"{key} = {_toml(value)}" for key, value in settings.items()]
    for section in ("field_overrides", "fields"):
        if section in fit.settings:
            lines += ["", f"[{section}]"]
            lines += [f'"{number}" = {_toml(row)}' for number, row in fit.settings[section].items()]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    return f'"{value}"' if isinstance(value, str) else str(value)
