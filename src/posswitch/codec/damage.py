"""What is wrong with unreadable bytes: what was expected, what stands there, and the likely cause."""

import re
from typing import NamedTuple

from posswitch.base.bounds import FRAME_BYTES_MAX
from posswitch.base.errors import CodecError
from posswitch.codec.describe import is_harmless
from posswitch.codec.dialect import BITMAP, MTI, Dialect
from posswitch.codec.profile import field_names
from posswitch.codec.verdict import TEXT_VERDICTS, VERDICTS, Case, Cause
from posswitch.codec.wording import Words

_SHOWN_BYTES = 2  # four digits of a card at most, should the bytes not be what the field says
_CAUSES_MAX = 3
_BYTES_MAX = 16 * FRAME_BYTES_MAX  # beyond it nothing is tried

# reason of a CodecError -> what should have stood there; groups are filled in
_EXPECTED = tuple(
    (re.compile(reason), Words(zh, en))
    for reason, zh, en in (
        (r"not a digit", "一个数字 0 至 9", "a digit, 0 to 9"),
        (r"not a length of 0 to (\d+)", "一个不超过 {0} 的长度", "a length of at most {0}"),
        (r"(\d+) bytes announced, (\d+) remain", "还有 {0} 字节，只剩 {1}", "{0} more bytes, {1} remain"),
        (
            r"(\d+) bytes of (\w+), (\d+) (?:remain|given)",
            "{0} 字节（{1}），只有 {2}",
            "{0} bytes of {1}, {2} are there",
        ),
        (r"no bitmap", "位图", "a bitmap"),
        (
            r"(\d+) bytes after the last field",
            "报文在此结束，多出 {0} 字节",
            "the end of the message, {0} bytes follow",
        ),
        (r"the filler is neither 0 nor F", "填充位 0 或 F", "a filler, 0 or F"),
        (r"not a hexadecimal digit", "一个十六进制数字", "a hexadecimal digit"),
        (r"not a track character", "磁道字符", "a track character"),
        (
            r"this dialect has no such field",
            "此方言没有的域，不知其长度",
            "no such field; nobody knows where it ends",
        ),
        (r"not hexadecimal", "成对的十六进制数字", "pairs of hexadecimal digits"),
    )
)


class Damage(NamedTuple):
    """The place, what was expected there, what stands there (masked), and causes, the likeliest first."""

    field: int | None
    offset: int | None
    where: Words
    expected: Words
    stands: str
    causes: list[Cause]

    def __str__(self) -> str:
        at = "" if self.offset is None else f"，偏移 {self.offset} 字节 · at byte {self.offset}"
        lines = [
            f"无法读取 · unreadable: {self.where}{at}",
            f"  应为 · expected  {self.expected}",
            f"  实为 · stands    {self.stands}",
        ]
        causes = self.causes or [Cause("unknown", Words("未能判断", "none that is known"))]
        lines += [f"  可能原因 · likely cause  {cause.words}" for cause in causes]
        return "\n".join(lines)


def examine(dialect: Dialect, payload: bytes, error: CodecError) -> Damage:
    """What is wrong with a payload that `dialect` refused with `error`."""
    case = Case(dialect, payload, error)
    causes: list[Cause] = []
    if len(payload) > _BYTES_MAX:
        causes = [
            Cause("too-long", Words("比任何一帧都长：多半含多帧", "longer than any frame: several in one"))
        ]
    for name, verdict in () if causes else VERDICTS:
        words = verdict(case)
        if words is not None:
            causes.append(Cause(name, words))
        if len(causes) == _CAUSES_MAX:
            break
    return Damage(error.field, error.offset, _where(error.field), _expected(error), _stands(case), causes)


def examine_text(dialect: Dialect, text: str, error: CodecError) -> Damage:
    """What is wrong with an argument that is not hexadecimal."""
    found = [(name, verdict(dialect, text)) for name, verdict in TEXT_VERDICTS]
    causes = [Cause(name, words) for name, words in found if words is not None]
    stands = Words("非十六进制文本", "text that is not hexadecimal")
    where = Words("参数", "the argument")
    return Damage(None, error.offset, where, _expected(error), str(stands), causes[:_CAUSES_MAX])


def _where(field: int | None) -> Words:
    fixed = {
        None: Words("报文头或帧", "header or frame"),
        MTI: Words("消息类型", "MTI"),
        BITMAP: Words("位图", "bitmap"),
    }
    if field in fixed:
        return fixed[field]
    zh, en = field_names().get(field or 0, ("未知域", "unknown field"))
    return Words(f"{field} 域（{zh}）", f"field {field} ({en})")


def _expected(error: CodecError) -> Words:
    for pattern, words in _EXPECTED:
        found = pattern.fullmatch(error.reason)
        if found:
            return Words(words.zh.format(*found.groups()), words.en.format(*found.groups()))
    return Words(error.reason, error.reason)


def _stands(case: Case) -> str:
    """A few bytes in hexadecimal, or only how many there are when they may be secret."""
    error, at = case.error, case.error.offset
    if at is None or at >= len(case.payload):
        return str(Words("报文在此已结束", "nothing, the message ends here"))
    if error.field not in (None, MTI, BITMAP) and not is_harmless(error.field):
        return str(
            Words(
                f"不显示（余 {len(case.payload) - at} 字节）",
                f"not shown ({len(case.payload) - at} bytes follow)",
            )
        )
    more = " …" if len(case.payload) - at > _SHOWN_BYTES else ""
    return case.payload[at : at + _SHOWN_BYTES].hex(" ").upper() + more
