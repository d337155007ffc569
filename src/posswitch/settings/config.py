"""A TOML file becomes frozen values, or everything that is wrong with it, each with place and remedy."""

import hashlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from posswitch.base.bounds import Timers
from posswitch.base.errors import ConfigError
from posswitch.base.order import TABLES
from posswitch.base.registry import Address, Limits, Registry
from posswitch.settings.address import address_of
from posswitch.settings.draft import Draft
from posswitch.settings.finding import ERROR, SEVERITIES, Fault, Finding, found
from posswitch.settings.machine import (
    BackupTable,
    FirewallTable,
    GuardsTable,
    InspectTable,
    KeysTable,
    ScanTable,
    TlsTable,
)
from posswitch.settings.notify import NotifyPlan, plan_of
from posswitch.settings.places import Places
from posswitch.settings.rows import registry_row
from posswitch.settings.rules import FILE_RULES, ROW_RULES
from posswitch.settings.shape import Tables, read_shape
from posswitch.settings.surroundings import NEEDS, NEEDS_TO_SERVE
from posswitch.settings.syntax import read_toml

FINDINGS_MAX = 1000  # of each severity; more are counted, not kept


class BackupPlan(msgspec.Struct, frozen=True):
    """Where the journal is kept a second time, how often, and how often that is rehearsed."""

    to: Path
    every_s: int
    rehearse_hours: int


class HsmPlan(msgspec.Struct, frozen=True):
    """Where HSMs are, and how long each may take for a command."""

    links: tuple[Address, ...]
    timeout_s: float


class TlsPlan(msgspec.Struct, frozen=True):
    """With which certificate and key the node speaks TLS, and whose certificates it believes (PEM files).

    `ciphers` as OpenSSL names them, for TLS 1.2; empty = those that are usual here.
    """

    certificate: Path
    key: Path
    authorities: Path
    ciphers: str = ""


class Config(msgspec.Struct, frozen=True):
    """Everything a node needs to start; `version` names the file's content in every record it decides."""

    version: str
    node: str
    listen: Address
    data: Path
    secret: Path
    acquirer: str
    centre: str
    timers: Timers
    limits: Limits
    cutover_s: int  # seconds after midnight, Beijing time
    registry: Registry
    backup: BackupPlan | None = None
    hsm: HsmPlan | None = None  # without it keys are kept in software
    tls: TlsPlan | None = None
    keys: KeysTable = KeysTable()
    may_show_cards: tuple[str, ...] = ()  # who may see a card number in clear
    production: bool = False  # real cards
    scan: ScanTable = ScanTable()
    firewall: FirewallTable = FirewallTable()
    guards: GuardsTable = GuardsTable()
    notify: NotifyPlan = NotifyPlan()
    inspect: InspectTable = InspectTable()


class Examined(NamedTuple):
    """What was found in a file, in the order of its lines, and the configuration if nothing is wrong."""

    path: Path
    findings: list[Finding]
    unkept: int  # findings beyond FINDINGS_MAX
    config: Config | None
    places: Places

    def of(self, severity: str) -> list[Finding]:
        """The findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]

    def line(self, finding: Finding) -> str:
        """A finding as one line: file, line, column, what, remedy."""
        return f"{self.path}:{finding.line}:{finding.column}: {finding.severity}: {finding}"


def load_config(path: Path, *, serve: bool = True) -> Config:
    """Reads a configuration file; raises ConfigError with file, line, remedy, and how to see all mistakes.

    Without `serve` it may be another machine's: its address and data folder are not tried, and nobody is
    asked to open a sealed secret, which leaves its keys unopened.
    """
    examined = examine(path, serve=serve)
    if examined.config is not None:
        return examined.config
    first, *more = examined.of(ERROR)
    others = f"{len(more) + examined.unkept} more: " if more else ""
    name = shlex.quote(str(path))
    raise ConfigError(f"{path}:{first.line}:{first.column}: {first} ({others}posswitch check -c {name})")


def examine(path: Path, *, serve: bool = True) -> Examined:
    """Finds everything that is wrong with a file; raises ConfigError when there is none to read."""
    read = read_toml(path)
    if not read.readable:
        return Examined(path, sorted(read.findings), 0, None, Places(""))
    places = Places(read.text)
    draft = Draft(path.resolve().parent, holes=bool(read.findings), asks=serve)
    kept: dict[str, list[Finding]] = {severity: [] for severity in SEVERITIES}
    kept[ERROR] += read.findings
    unkept = 0
    for fault in _faults(draft, read.values, serve):
        findings = kept[fault.severity]
        if len(findings) < FINDINGS_MAX:
            findings.append(found(fault, places.of(fault.path)))
        else:
            unkept += 1
            if fault.severity == ERROR:  # hopeless
                break
    findings = sorted(finding for some in kept.values() for finding in some)
    if kept[ERROR]:
        return Examined(path, findings, unkept, None, places)
    version = hashlib.sha256(read.raw).hexdigest()[:12]
    built = _built(draft, msgspec.convert(read.values, Tables), version)
    return Examined(path, findings, unkept, built, places)


def _faults(draft: Draft, values: dict[str, Any], serve: bool) -> Iterator[Fault]:
    yield from read_shape(values, draft.rows, draft.holes)
    for check in (*FILE_RULES, *ROW_RULES, *NEEDS, *(NEEDS_TO_SERVE if serve else ())):
        yield from check(draft)


def _backup_plan(draft: Draft, table: BackupTable) -> BackupPlan:
    return BackupPlan(draft.file(table.to), table.every, table.rehearse)


def _tls_plan(draft: Draft, table: TlsTable) -> TlsPlan:
    certificate, key, authorities = map(draft.file, (table.certificate, table.key, table.authorities))
    return TlsPlan(certificate, key, authorities, table.ciphers)


def _built(draft: Draft, file: Tables, version: str) -> Config:
    """The values of a file without mistakes."""
    node = file.node
    return Config(
        version=version,
        node=node.id,
        listen=address_of(node.listen),
        data=draft.file(node.data),
        secret=draft.file(node.secret),
        acquirer=node.acquirer,
        centre=node.centre,
        timers=file.timers,
        limits=file.limits,
        cutover_s=int(node.cutover[:2]) * 3600 + int(node.cutover[3:]) * 60,
        registry=Registry(registry_row(row, draft) for table in TABLES for row in draft.rows[table]),
        backup=_backup_plan(draft, file.backup) if file.backup.to else None,
        hsm=HsmPlan(tuple(map(address_of, file.hsm.links)), file.hsm.timeout) if file.hsm.links else None,
        tls=_tls_plan(draft, file.tls) if file.tls.certificate else None,
        keys=file.keys,
        may_show_cards=tuple(file.office.may_show_cards),
        production=node.production,
        scan=file.scan,
        firewall=file.firewall,
        guards=file.guards,
        notify=plan_of(file.notify, draft.base),
        inspect=file.inspect,
    )
