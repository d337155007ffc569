"""A line of its own: our machine, a router and the bank's host in three network namespaces; needs root."""

import contextlib
import itertools
import os
import subprocess

from peer_runs import PATIENCE_S, PROGRAM

US, ROUTER_US, ROUTER_BANK, BANK_HOST = "10.77.1.1", "10.77.1.254", "10.77.2.254", "10.77.2.2"
PORT = 7001
_numbers = itertools.count(1)


def run(*words, text=""):
    subprocess.run(words, input=text, text=True, check=True, capture_output=True, timeout=PATIENCE_S)


class BankLine:
    """`us`, `router`, `bank`: names of namespaces; `inside(who)` is what stands before a command."""

    def __init__(self):
        number = f"{os.getpid()}-{next(_numbers)}"
        self.us, self.router, self.bank = (f"psw-{who}-{number}" for who in ("us", "router", "bank"))
        self._made = []
        self._processes = []

    def inside(self, who):
        return ("ip", "netns", "exec", getattr(self, who))

    def ip(self, who, words):
        run("ip", "-n", getattr(self, who), *words.split())

    def nft(self, who, hook, rule):
        """One rule at a hook."""
        head = f"type filter hook {hook} priority 0"
        text = f"table inet t {{\nchain {hook} {{\n{head}\n{rule}\n}}\n}}\n"
        run(*self.inside(who), "nft", "-f", "-", text=text)

    def build(self):
        for name in (self.us, self.router, self.bank):
            run("ip", "netns", "add", name)
            self._made.append(name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        for who, far, near in (("us", US, ROUTER_US), ("bank", BANK_HOST, ROUTER_BANK)):
            run(
                "ip", "link", "add", "eth0", "netns", getattr(self, who),
                "type", "veth", "peer", "name", who, "netns", self.router,
            )  # fmt: skip
            self.ip(who, f"addr add {far}/24 dev eth0")
            self.ip("router", f"addr add {near}/24 dev {who}")
            self.ip(who, "link set eth0 up")
            self.ip("router", f"link set {who} up")
            self.ip(who, f"route add default via {near}")
        run(*self.inside("router"), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")

    def start(self, *words):
        """A program at the bank's host; waits until it says that it listens."""
        process = subprocess.Popen(
            [*self.inside("bank"), *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        assert any("listening" in line for line in process.stdout), "it has ended"

    def sim_bank(self, scheme, *words):
        self.start(*PROGRAM, "sim-bank", "--listen", f"{scheme}://{BANK_HOST}:{PORT}", *words)

    def close(self):
        for process in self._processes:
            process.kill()
            process.wait(PATIENCE_S)
            process.stdout.close()
            process.stderr.close()
        for name in self._made:
            run("ip", "netns", "del", name)


@contextlib.contextmanager
def bank_line():
    line = BankLine()
    try:
        line.build()
        yield line
    finally:
        line.close()


def why_not():
    """Why no such line can be made here, or empty."""
    try:
        with bank_line() as line:
            line.nft("router", "forward", "numgen inc mod 3 0 drop")
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        return f"no network namespaces with nftables here: {said[0] if said else error}"
    return ""
