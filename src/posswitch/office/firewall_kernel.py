"""The table as the kernel has it: loaded in one step, removed, addresses banned; by nft."""

import shutil
import subprocess
from pathlib import Path

from posswitch.base.errors import OfficeError
from posswitch.office.firewall import REMOVAL, TABLE
from posswitch.settings.finding import one_line
from posswitch.settings.networks import Ip

INSTALL = "apt-get install nftables"
COOKIES = Path("/proc/sys/net/ipv4/tcp_syncookies")
_PLACES = ("/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft")
_SECONDS_MAX = 30.0
_SAID_MAX = 200


def nft() -> str | None:
    """The program, wherever it is; None without one."""
    return shutil.which("nft") or next((place for place in _PLACES if Path(place).exists()), None)


def _run(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    program = nft()
    if program is None:
        raise OfficeError(f"nft is not installed; run: {INSTALL}")
    try:
        return subprocess.run(  # noqa: S603 - words of this program, addresses that were read
            [program, *words], input=given, capture_output=True, text=True, timeout=_SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        raise OfficeError(
            f"nft did not answer in {_SECONDS_MAX:.0f} s; nothing is known of the table"
        ) from None


def load(text: str) -> None:
    """Has the kernel take a ruleset, whole or not at all; OfficeError with nft's words."""
    ended = _run("-f", "-", given=text)
    if ended.returncode != 0:
        said = one_line(ended.stderr.strip().partition("\n")[0])[:_SAID_MAX]
        raise OfficeError(
            f"nft refused, nothing was changed ({said}); run it as root on a kernel with nftables"
        )


def remove() -> None:
    """Takes the table away, if it is there."""
    load(REMOVAL)


def stands() -> bool:
    """Whether the table is loaded."""
    return _run("-t", "list", "table", *TABLE.split()).returncode == 0


def banned(ip: Ip, seconds: int) -> None:
    """Puts an address into the set for so long, from now on; 0 takes it out."""
    place = f"element {TABLE} banned{ip.version}"
    lines = [f"add {place} {{ {ip} timeout 1s }}", f"delete {place} {{ {ip} }}"]
    if seconds:
        lines.append(f"add {place} {{ {ip} timeout {seconds}s }}")
    load("\n".join([*lines, ""]))


def cookies_on(path: Path = COOKIES) -> bool:
    """Has the kernel answer SYN floods with cookies; False where that may not be said."""
    try:
        if path.read_text("ascii").strip() == "0":
            path.write_text("1\n", "ascii")
    except OSError:
        return False
    return True
