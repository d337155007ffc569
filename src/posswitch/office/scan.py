"""A scan: every audit over one configuration and the machine around it, in the order of this table."""

from pathlib import Path
from typing import Any

from posswitch.base.errors import ConfigError
from posswitch.office.scan_files import rights
from posswitch.office.scan_finding import PROC, Audit, Premises, Weakness, weak
from posswitch.office.scan_kernel import clock, open_files, settings
from posswitch.office.scan_keys import keys, secret
from posswitch.office.scan_ports import addresses, ports
from posswitch.office.scan_results import Result
from posswitch.office.scan_tls import certificates, handshakes
from posswitch.office.scan_versions import holes, versions
from posswitch.office.standing import desk_unasked
from posswitch.settings.clock import Clock
from posswitch.settings.config import examine
from posswitch.settings.finding import SEVERITIES
from posswitch.settings.syntax import read_toml

# What can be looked at in any case, and what only a configuration without mistakes says.
ALWAYS: tuple[Audit, ...] = (rights, secret, settings, open_files, clock, versions)
CONFIGURED: tuple[Audit, ...] = (ports, addresses, handshakes, certificates, keys)
_NAMED = (("secret", "node", "secret"), ("data", "node", "data"), ("archive", "backup", "to"),
          ("key", "tls", "key"))  # fmt: skip
_DEFAULTS = {"secret": "secret.key", "data": "data"}


def scan(path: Path, clock_: Clock, proc: Path = PROC) -> Result:
    """Looks at everything; ConfigError when the file is not there or no TOML."""
    read = read_toml(path)
    if not read.readable or read.findings:
        raise ConfigError(f"{path}: is no TOML; see posswitch check")
    named = _files(path.resolve().parent, read.values)
    examined = examine(path, serve=False)
    config = examined.config
    desk = desk_unasked(config, clock_) if config is not None else None
    premises = Premises(path, named, config, desk, clock_.wall_ns(), proc)
    found: list[Weakness] = []
    if config is None:
        found.append(weak("configuration", path, f"posswitch check -c {path}"))
    for audit in (*ALWAYS, *(CONFIGURED if config is not None else ())):
        found += audit(premises)
    found.sort(key=lambda one: SEVERITIES.index(one.severity))
    return Result(premises.now_ns, holes().as_of.isoformat(), found)


def _files(base: Path, values: dict[str, Any]) -> dict[str, Path]:
    """The files that a configuration names, whatever else is wrong with it."""
    found = {}
    for what, table, key in _NAMED:
        rows = values.get(table)
        name = rows.get(key) if isinstance(rows, dict) else None
        if not isinstance(name, str) or not name or "\0" in name:
            name = _DEFAULTS.get(what, "")
        if name:
            found[what] = (base / name).resolve()
    return found
