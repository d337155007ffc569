"""A machine of its own for the firewall: two network namespaces, a line between them, and the program."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from posswitch.sim.city import build_city

PROGRAM = (sys.executable, "-m", "posswitch")
HERE = "10.77.0.1"
KNOWN, STRANGER, FLOODER = "10.77.0.2", "10.77.0.3", "10.77.0.4"
OUTSIDE = (KNOWN, STRANGER, FLOODER)


class Town:
    """The switch's machine (`inside`) and everybody else's (`outside`), with a city's configuration."""

    def __init__(self, folder: Path, inside: int, outside: int) -> None:
        self.city = build_city(folder, 1, 2)
        self.city.data.mkdir(mode=0o700, exist_ok=True)
        self.port = self.city.node.port
        self.inside, self.outside = inside, outside

    def configured(self, words: str) -> None:
        """`[firewall]` says so, and the node listens everywhere."""
        text = self.city.config.read_text("utf-8").replace("clear://127.0.0.1", "clear://0.0.0.0", 1)
        self.city.config.write_text(f"{text}\n[firewall]\n{words}\n", "utf-8")

    def at(self, who: int, *words: str, **more) -> subprocess.Popen:
        """A program in one of the two."""
        return subprocess.Popen(
            ["nsenter", f"--net=/proc/{who}/ns/net", *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more,
        )  # fmt: skip

    def run(self, who: int, *words: str, given: str = "", **more) -> subprocess.CompletedProcess:
        process = self.at(who, *words, **more)
        out, err = process.communicate(given, timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def firewall(self, *words: str, **more) -> subprocess.CompletedProcess:
        """`posswitch firewall WORDS -c FILE`."""
        sub = words[:1] if words and not words[0].startswith("-") else ()
        rest = words[len(sub) :]
        return self.run(self.inside, *PROGRAM, "firewall", *sub, "-c", str(self.city.config), *rest, **more)

    def nft(self, *words: str) -> subprocess.CompletedProcess:
        return self.run(self.inside, "nft", *words)

    def connects(self, source: str, port: int, count: int = 1, wait_s: float = 2.0) -> int:
        """How many connections from a source stand at the same time."""
        words = (source, HERE, str(port), str(count), str(wait_s))
        return int(self.run(self.outside, sys.executable, "-c", _CONNECTS, *words).stdout)

    @contextlib.contextmanager
    def listening(self, port: int):
        """Somebody who accepts inside and echoes."""
        process = self.at(self.inside, sys.executable, "-c", _LISTENS, str(port))
        try:
            assert process.stdout.readline() == "listening\n"
            yield process
        finally:
            ended(process)


def ended(process: subprocess.Popen) -> None:
    process.kill()
    process.communicate()


_LISTENS = """
import asyncio, sys
async def serve(reader, writer):
    try:
        while word := await reader.read(100):
            writer.write(word)
    except OSError:
        pass
async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", int(sys.argv[1]), backlog=1000)
    print("listening", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
_CONNECTS = """
import asyncio, sys
source, host, port, count, wait_s = sys.argv[1:]
async def one():
    try:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(host, int(port), local_addr=(source, 0)), float(wait_s))
        writer.write(b"x")
        return await asyncio.wait_for(reader.read(1), float(wait_s)) == b"x" and writer
    except (OSError, asyncio.TimeoutError):
        return False
async def main():
    return sum(bool(x) for x in await asyncio.gather(*(one() for _ in range(int(count)))))
print(asyncio.run(main()))
"""


def why_not() -> str:
    """Why there is no machine to try it on, or nothing."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    if missing := [word for word in ("nft", "ip", "unshare", "nsenter") if shutil.which(word) is None]:
        return f"{', '.join(missing)}: not installed"
    tried = subprocess.run(
        ["unshare", "-n", "nft", "-f", "-"],
        input="table inet x {\n set y { type ipv4_addr; flags dynamic; }\n chain c {\n"
        " type filter hook input priority 0;\n ct state established accept\n"
        " add @y { ip saddr ct count over 1 } drop\n }\n}\n",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return f"the kernel refuses: {tried.stderr.strip()}" if tried.returncode else ""
