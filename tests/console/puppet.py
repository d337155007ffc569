"""A city that only pretends: writes vitals, incidents and a journal as node and diagnosis do, takes orders.

Run as a program: `python puppet.py FOLDER`; it ends when its standard input closes.
"""

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "cli"), str(TESTS / "engine")]

import world  # noqa: E402
from msgspec.structs import replace  # noqa: E402
from traffic import Traffic, build  # noqa: E402

from one_sale import sale  # noqa: E402
from posswitch.console.watch import Watch  # noqa: E402
from posswitch.diagnose.incident import Deed, Evidence, Guess, Incident, Phase, Tier  # noqa: E402
from posswitch.diagnose.shelf import Shelf  # noqa: E402
from posswitch.edge.vitals import Vitals  # noqa: E402
from posswitch.journal.vitals import How  # noqa: E402
from posswitch.settings.clock import SystemClock  # noqa: E402
from posswitch.settings.config import load_config  # noqa: E402

BANKS = {"90010000": 24, "90020000": 31, "90030000": 12, "90040000": 17}  # payments a second
BINS = {"90010000": "629001", "90020000": "629002", "90030000": "629003", "90040000": "629004"}
ZH = {"90010000": "甲银行", "90020000": "乙银行", "90030000": "丙银行", "90040000": "丁银行"}
EN = {"90010000": "Bank A", "90020000": "Bank B", "90030000": "Bank C", "90040000": "Bank D"}
TILES = (
    "network", "overload", "faults", "data", "attack",
    "stability", "transmission", "limits", "orders", "feedback",
)  # fmt: skip
LINKS, PERIOD_S, NOTICED_S, HEALED_S, AWAY_S = 2, 0.25, 1.2, 1.5, 1.6


def written(folder):
    """A city with a configuration and a journal: paid, refused, timed out and given back."""
    build(folder, terminals=240)
    config = load_config(folder / "posswitch.toml", serve=False)
    world.ACQUIRER = config.acquirer
    traffic = Traffic(folder)
    traffic.pay(0, 12_300, "00")
    traffic.pay(1, 4_550, "51")
    traffic.pay(0, 8_800, "98")
    traffic.pay(2, 6_660, "")
    traffic.wait(3)
    traffic.close()
    return config


def now_ns():
    return time.time_ns()


class Puppet:
    """Everything that others write."""

    def __init__(self, folder, *, diagnosed=True):
        self.config = written(folder)
        self.data = self.config.data
        self.vitals = Vitals(self.data)
        self.diagnosed = diagnosed
        self.shelf = Shelf(self.data) if diagnosed else None
        self.random = random.Random(7)
        self.pulled = set()
        self.incidents = {}
        self.number = 0
        self.counts = dict.fromkeys(((bank, link) for bank in BANKS for link in range(LINKS)), (0, 0, 0))
        self.since = {}
        self.down_until = 0.0
        self.version = 0  # of the registry
        self.began_s = time.time()
        self.node = None
        self.start_node()

    def start_node(self):
        """A process that does nothing but live."""
        self.node = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        (self.data / "node.pid").write_text(f"{self.node.pid}\n")
        self.began_s = time.time()

    # Vitals

    def period(self, seconds=PERIOD_S, at_ns=None):
        """One period of outcomes and gauges."""
        gauges = {}
        for bank, per_s in BANKS.items():
            out = [link for link in range(LINKS) if (bank, link) in self.pulled]
            count = self.random.randrange(round(per_s * seconds * 0.6), round(per_s * seconds * 1.4) + 1)
            self.outcomes(bank, count, lost=bool(out), fenced=self.fenced(bank))
            gauges |= self.bank_gauges(bank, count, out)
        gauges |= {
            "began_s": self.began_s, "registry": self.version,
            "open_payments": self.random.randrange(2, 6), "open_reversals": 0,
            "open_advices": 0, "needs_owner": 0, "queue": 0, "rung": 0, "cpu_share": 0.11, "links": 8,
            "memory_bytes": 92 << 20, "disk_free_bytes": 41 << 30, "connections": 83, "commits": 20,
        }  # fmt: skip
        self.vitals.write(at_ns or now_ns(), gauges)

    def fenced(self, bank):
        return any(
            time.monotonic() - since > NOTICED_S for (one, _), since in self.since.items() if one == bank
        )

    def outcomes(self, bank, count, *, lost, fenced):
        for _ in range(count):
            terminal = 10_000_001 + self.random.randrange(240)
            request = replace(sale(1), bank=bank, bin=BINS[bank], terminal=str(terminal), amount_minor=4200)
            wait_ns = int(self.random.lognormvariate(2.9, 0.4) * 1e6)
            if lost and not fenced and self.random.random() < 0.5:
                self.vitals.payment(request, "98", How.OVERDUE, 900_000_000, 900_000_000)
            else:
                code = "00" if self.random.random() < 0.94 else self.random.choice(("51", "55", "61"))
                self.vitals.payment(request, code, How.BANK, wait_ns + 1_200_000, wait_ns)

    def bank_gauges(self, bank, count, out):
        gauges = {
            f"bank.{bank}.cap": 64, f"bank.{bank}.links": LINKS, f"bank.{bank}.lane": 3 * len(out),
            f"bank.{bank}.links_able": LINKS - len(out), f"bank.{bank}.under_way": 2,
        }  # fmt: skip
        for link in range(LINKS):
            sent, answered, lost = self.counts[bank, link]
            here, down = f"link.{bank}.{link}.", link in out
            if not (down and self.fenced(bank)):
                share = count if len(out) == LINKS - 1 and not down and self.fenced(bank) else count // LINKS
                sent, answered = sent + share, answered + (0 if down else share)
            self.counts[bank, link] = sent, answered, lost
            waiting = 1000 * (time.monotonic() - self.since[bank, link]) if down else 4
            gauges |= {
                f"{here}up": 1, f"{here}fenced": 2 if down and self.fenced(bank) else 0,
                f"{here}sent": sent, f"{here}answered": answered, f"{here}usual_ms": 19.0,
                f"{here}waiting_ms": waiting, f"{here}under_way": 2,
            }  # fmt: skip
        return gauges

    # Diagnosis

    def noticed(self, bank, links):
        """An incident of a line that swallows everything."""
        self.number += 1
        at = now_ns()
        place = {"bank": bank} if len(links) == LINKS else {"link": f"{bank}/{links[0]}"}
        suspect = Incident(
            self.number, Phase.SUSPECT, "", "", place, at - 1_100_000_000, at, at, affected=9,
        )  # fmt: skip
        confirmed = replace(
            suspect, phase=Phase.CONFIRMED, kind="net-one-way", cause="network", probability=0.93,
            changed_ns=at + 300_000_000, affected=21, answer_ms=41.0,
            guesses=(
                Guess("net-one-way", "network", 0.93), Guess("net-half-open", "network", 0.05),
                Guess("iss-slow", "bank", 0.02),
            ),
            supports=(
                Evidence("link-silent", {"figure": 1840.0}, 2.4),
                Evidence("no-answer", {"figure": 0.49}, 3.1),
                Evidence("others-are-well", {"figure": 0.98}, 1.0),
            ),
            opposes=(Evidence("link-lost", {}, -0.7),),
            ruled_out=(Guess("net-issuer-link-down", "network", 0.0), Guess("ovl-peak", "overload", 0.0)),
        )  # fmt: skip
        self.shelf.keep([suspect])
        self.shelf.keep([confirmed])
        fence = Deed("fence-link", f"{bank}/{links[0]}", Tier.AUTOMATIC, "running", at + 400_000_000)
        call = Deed("notify", "", Tier.PROPOSED, "proposed", at + 400_000_000)
        never = Deed("restart-node", "1", Tier.FORBIDDEN, "refused", at + 400_000_000)
        mitigating = replace(
            confirmed, phase=Phase.MITIGATING, changed_ns=at + 400_000_000, deeds=(fence, call, never),
        )  # fmt: skip
        self.keep(mitigating)
        return self.number

    def keep(self, incident):
        self.incidents[incident.number] = incident
        self.shelf.keep([incident])

    def worked(self, number):
        incident = self.incidents[number]
        deeds = tuple(
            replace(one, state="worked") if one.state == "running" else one for one in incident.deeds
        )
        self.keep(replace(incident, deeds=deeds, changed_ns=now_ns(), affected=34))

    def resolved(self, number):
        incident = self.incidents[number]
        self.keep(replace(incident, phase=Phase.VERIFYING, changed_ns=now_ns()))
        at = now_ns() + 1
        self.keep(replace(incident, phase=Phase.RESOLVED, changed_ns=at, closed_ns=at))

    def say(self):
        open_ones = [one for one in self.incidents.values() if one.open]
        tiles = {name: {"well": True, "incidents": []} for name in TILES}
        zh, en = "交换中心正常", "The switching centre is normal"
        if open_ones:
            one = open_ones[-1]
            bank = one.place.get("bank") or one.place["link"].partition("/")[0]
            zh = f"异常：{ZH[bank]}线路单向不通，{one.affected} 笔受影响，0 笔丢失，已切换"
            en = f"Abnormal: one-way line to {EN[bank]}, {one.affected} affected, 0 lost, switched over"
            for name in ("network", "transmission"):
                tiles[name] = {"well": False, "incidents": [one.number]}
        now = {"sentence_zh": zh, "sentence_en": en, "well": not open_ones, "tiles": tiles}
        self.shelf.say(now_ns(), now | {"open": [one.number for one in open_ones]})

    # Orders

    async def hear(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            line = await reader.readline()
            order = json.loads(line)
            answer = self.do(order)
            writer.write(json.dumps({"ok": True, **answer}).encode() + b"\n")
            await writer.drain()
        writer.close()

    def do(self, order):
        match order:
            case {"do": "pull" | "plug" as do, "bank": bank}:
                links = [order["link"]] if order.get("link") is not None else list(range(LINKS))
                for link in links:
                    key = bank, link
                    if do == "pull":
                        self.pulled.add(key)
                        self.since.setdefault(key, time.monotonic())
                    else:
                        self.pulled.discard(key)
                        self.since.pop(key, None)
                asyncio.get_running_loop().create_task(self.follow(do, bank, links))
                return {}
            case {"do": "kill"}:
                self.node.kill()
                self.node.wait()
                (self.data / "node.pid").unlink()
                self.down_until = time.monotonic() + AWAY_S
                return {"in_flight": 3}
            case {"do": "state"}:
                links = {bank: [self.cable(bank, link) for link in range(LINKS)] for bank in BANKS}
                return {
                    "node": self.node.pid,
                    "banks": [{"id": bank, "links": links[bank]} for bank in BANKS],
                }
        return {"ok": False, "error": "no such order"}

    def cable(self, bank, link):
        return {"cable": "pulled" if (bank, link) in self.pulled else "whole", "faults": {}}

    async def follow(self, do, bank, links):
        """Diagnosis hears of it a little later."""
        if not self.diagnosed:
            return
        await asyncio.sleep(NOTICED_S if do == "pull" else HEALED_S)
        if do == "pull":
            number = self.noticed(bank, links)
            self.say()
            await asyncio.sleep(1.0)
            self.worked(number)
        else:
            for number, one in list(self.incidents.items()):
                if one.open:
                    self.resolved(number)
        self.say()

    async def run(self):
        """Until standard input closes."""
        path = self.data / "city.sock"
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self.hear, str(path))
        path.chmod(0o600)
        ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        print("ready", flush=True)
        while not ended.done():
            if time.monotonic() >= self.down_until:
                if self.node.poll() is not None:
                    self.start_node()
                self.period()
            if self.diagnosed:
                self.say()
            await asyncio.sleep(PERIOD_S)
        server.close()
        self.close()

    def close(self):
        self.node.kill()
        self.node.wait()
        for name in ("node.pid", "city.sock"):
            with contextlib.suppress(FileNotFoundError):
                (self.data / name).unlink()


def watching(puppet):
    """What follows it."""
    return Watch(puppet.config.data.parent / "posswitch.toml", puppet.config, SystemClock())


def history(puppet, seconds=62):
    """The minute before it began."""
    start = now_ns() - int(seconds * 1e9)
    for number in range(int(seconds / PERIOD_S)):
        puppet.period(at_ns=start + int(number * PERIOD_S * 1e9))


if __name__ == "__main__":
    made = Puppet(Path(sys.argv[1]), diagnosed="--blind" not in sys.argv)
    history(made)
    asyncio.run(made.run())
