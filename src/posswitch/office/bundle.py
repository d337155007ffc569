"""The support bundle: one .tar.gz for those who help, masked, with the proof that nothing secret is in it."""

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec

from posswitch.base.errors import OfficeError, PosswitchError
from posswitch.base.moment import NS_PER_S, clock_text
from posswitch.office import bundle_members as members
from posswitch.office.bundle_members import Subject, text_of
from posswitch.office.bundle_proof import Proof, proof
from posswitch.settings.finding import one_line

MEMBER_BYTES_MAX = 1 << 20  # of more the beginning and the end are kept
README = "README.txt"
_CUT = "\n[… {} bytes left out …]\n"
LEFT_OUT = "left out: {what} stands in it / 已剔除：内有{what}"
_WHY_MAX = 300


class Member(NamedTuple):
    """One row: its file, what it is in both languages, and how it is made."""

    name: str
    zh: str
    en: str
    make: Callable[[Subject], str]


MEMBERS = (
    Member("verdict.txt", "诊断结论与联系人", "the verdict, and whom to call", members.verdict),
    Member("inspection.json", "巡检报告", "the inspection, made now", members.inspection),
    Member("check.txt", "配置检查结果", "what check says", members.check),
    Member("configuration.json", "配置，密钥已遮盖", "the configuration without keys", members.configuration),
    Member("keys.json", "密钥清单，只有校验值", "the inventory of keys: check values", members.keys),
    Member("versions.json", "版本", "versions", members.versions),
    Member("gauges.jsonl", "十分钟的节点指标", "ten minutes of gauges", members.gauges),
    Member("incidents.json", "异常及其步骤", "incidents and their steps", members.incidents),
    Member("incident.log", "异常前后的全部日志", "all logs around the incident", members.correlated),
    Member("node.log", "节点日志（末尾）", "the end of the node's log", members.logs),
    Member("capacity.json", "容量", "what is left", members.capacity),
    Member("scan.json", "上次安全扫描", "the last scan", members.scan),
    Member(
        "journal.json", "账本结构与头，不含记录", "tables and head of the journal, no record", members.journal
    ),
)
BYTES_MAX = (len(MEMBERS) + 1) * MEMBER_BYTES_MAX


class Bundle(NamedTuple):
    """The members in their order, README first, and what was searched for in them."""

    members: dict[str, bytes]
    missing: dict[str, str]  # those that could not be made or had a secret in them, and why
    proof: Proof

    @property
    def clean(self) -> bool:
        """Whether no member had to be left out for a secret."""
        begin = LEFT_OUT.partition("{")[0]
        return not self.proof.found and not any(why.startswith(begin) for why in self.missing.values())


def bundle(subject: Subject) -> Bundle:
    """Makes all members and searches them; one in which a secret stands is left out. Nothing is written."""
    made: dict[str, bytes] = {}
    missing: dict[str, str] = {}
    for one in MEMBERS:
        try:
            made[one.name] = _bounded(text_of(one.make(subject)))
        except OSError as error:
            missing[one.name] = f"{error.filename or one.name}: {error.strerror}"
        except (PosswitchError, apsw.Error, msgspec.MsgspecError) as error:
            missing[one.name] = one_line(str(error))[:_WHY_MAX]
    first = proof(subject.scene, made)
    for name, what in first.found.items():
        del made[name]
        missing[name] = LEFT_OUT.format(what=what)
    made = {README: text_of(_readme(subject, made, missing, first)), **made}
    return Bundle(made, missing, proof(subject.scene, made))


def _bounded(data: bytes) -> bytes:
    """The beginning and the end of what is too long."""
    if len(data) <= MEMBER_BYTES_MAX:
        return data
    half = (MEMBER_BYTES_MAX - 100) // 2
    ends = (data[:half], data[-half:])
    first, last = (end.decode("utf-8", "ignore") for end in ends)
    return f"{first}{_CUT.format(len(data) - 2 * half)}{last}".encode()


def write(made: Bundle, to: Path, at_ns: int) -> int:
    """Writes it, for its owner only; its bytes. OfficeError when a secret is in it or the file is there."""
    if made.proof.found:  # in the README, whose words come from other members
        raise OfficeError("nothing was written: a secret stands in its README; report this")
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=at_ns // NS_PER_S) as outer,
        tarfile.open(fileobj=outer, mode="w") as tar,
    ):
        for name, data in made.members.items():
            info = tarfile.TarInfo(f"posswitch-support/{name}")
            info.size, info.mtime, info.mode = len(data), at_ns // NS_PER_S, 0o600
            tar.addfile(info, io.BytesIO(data))
    try:
        fd = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise OfficeError(f"{to}: is there already; give another --to") from None
    with open(fd, "wb") as file:  # noqa: PTH123 - a descriptor
        return file.write(packed.getbuffer())


def _readme(subject: Subject, made: dict[str, bytes], missing: dict[str, str], first: Proof) -> str:
    config = subject.scene.config
    lines = [made.get(MEMBERS[0].name, b"").decode().strip() or "-", ""]
    head = f"posswitch {config.node} {clock_text(subject.scene.now_ns)}"
    lines += [f"{head}：支持包，供排查用，已遮盖。", f"{head}: a support bundle, masked.", ""]
    for one in MEMBERS:
        if one.name in made:
            data = made[one.name]
            digest = hashlib.sha256(data).hexdigest()[:16]
            lines.append(f"{one.name}  {len(data):,} B  SHA-256 {digest}…  {one.zh} / {one.en}")
        else:
            lines.append(f"{one.name}  -  {one.zh} / {one.en}: {missing[one.name]}")
    return "\n".join([*lines, "", *sentences(first).values()])


def sentences(shown: Proof) -> dict[str, str]:
    """What was searched for, in both languages, and what that does not prove."""
    kinds = ", ".join(f"{kind} × {count}" for kind, count in sorted(shown.searched.items()))
    zh = f"打包前已按原文、十六进制、Base64、BCD 等写法检索：{kinds}；均未出现。"
    en = f"before it was packed it was searched, in every spelling, for: {kinds}; none is in it."
    if not shown.opened:
        zh += "根密钥未打开，根密钥与卡号未能检索，只按格式检索。"
        en += " The secret was sealed: root and card numbers were searched for by their form only."
    return {"zh": zh, "en": en}
