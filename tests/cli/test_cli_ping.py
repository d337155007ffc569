"""ping at real banks on the loopback: well, slow, silent, away, with other certificates and dialects."""

import socket
import threading
from contextlib import nullcontext

from cli_runs import one_line, posswitch
from peer_runs import centre, side_by_side, town
from ping_runs import (
    BANK,
    answers_only,
    bank_at,
    hangs_up,
    late,
    listener,
    one_link,
    ping,
    says_nonsense,
    silent,
)

from posswitch.sim.authority import Authority
from posswitch.sim.city import HOST, free_ports

LINE = 'contact = "甲行值班"\nphone = "0755-1"\nlines = ["SZ-4711/电信/2048"]\n'


def papers(city, plan):
    paper = city.papers / plan.id
    shown = ("--certificate", f"{paper}.pem", "--certificate-key", f"{paper}.key")
    return (*shown, "--authorities", city.papers / "authority.pem")


def test_a_bank_that_is_well(tmp_path):
    def walk(dialect):
        city, _, address = one_link(tmp_path / dialect, dialect=dialect)
        with bank_at(address, dialect=dialect) as bank:
            told = ping(city)
            assert bank.wait_for(kind="echo", way="out")
            bank.end()
        return told, {seen["kind"] for seen in bank.find(way="in")}

    for told, heard in side_by_side(walk, "cups", "iso87a", "iso87b"):
        assert (told.code, told.found, told.err) == (0, ("nowhere", "fine"), "")
        assert heard == {"echo"}  # no payment, no sign-on
        echo = told.step("echo")["measured"]
        assert len(echo["rtts_ms"]) == 10
        assert told.step("interface")["measured"]["name"] == "lo"
        assert [told.step(name)["verdict"] for name in ("tcp", "echo")] == ["ok", "ok"]
        assert told.step("tls")["why"] == "clear-text"


def test_tls_tells_version_suite_and_days(tmp_path):
    city, plan, address = one_link(tmp_path, tls=Authority())
    with bank_at(address, *papers(city, plan)):
        told = ping(city)
    assert (told.code, told.found) == (0, ("nowhere", "fine"))
    tls = told.step("tls")["measured"]
    assert (tls["version"], tls["days_left"], tls["own_days_left"]) == ("TLSv1.3", 364, 364)
    assert tls["subject"] == f"CN={plan.id}" or plan.id in tls["subject"]
    assert tls["suite"].startswith("TLS_")


def test_a_slow_bank_is_its_application(tmp_path):
    city, _, address = one_link(tmp_path)
    host, _, port = address.rpartition("//")[2].partition(":")
    with bank_at(address), listener(late(0.7, (host, int(port)))) as there:
        city.config.write_text(city.config.read_text().replace(address, f"clear://{there}"))
        told = ping(city)
    assert (told.code, told.found) == (1, ("application", "application-slow"))
    assert told.step("echo")["verdict"] == "slow"


def test_echoes_that_are_never_answered_are_counted(tmp_path):
    city, _, address = one_link(tmp_path)
    host, _, port = address.rpartition("//")[2].partition(":")
    with bank_at(address), listener(answers_only(2, (host, int(port)))) as there:
        city.config.write_text(city.config.read_text().replace(address, f"clear://{there}"))
        told = ping(city)
    assert (told.code, told.found) == (1, ("application", "echoes-lost"))
    echo = told.step("echo")
    assert (echo["verdict"], echo["why"]) == ("failed", "lost")


# How somebody answers who is no bank of ours, and where ping says that it lies.
NO_ANSWER = {
    "nobody listens": (None, ("application", "port-closed")),
    "hangs up": (hangs_up, ("application", "hung-up")),
    "silent": (silent, ("application", "silent")),
    "nonsense": (says_nonsense, ("configuration", "wrong-dialect")),
}


def test_one_that_gives_no_answer(tmp_path):
    def walk(name):
        manner, _ = NO_ANSWER[name]
        with listener(manner) if manner else nullcontext() as there:
            city, _, _ = one_link(tmp_path / name, there and f"clear://{there}")
            return ping(city)

    told = dict(zip(NO_ANSWER, side_by_side(walk, *NO_ANSWER), strict=True))
    assert {name: one.found for name, one in told.items()} == {
        name: found for name, (_, found) in NO_ANSWER.items()
    }
    assert {one.code for one in told.values()} == {1}
    away, quiet = told["nobody listens"], told["silent"]
    assert away.step("icmp")["verdict"] in ("ok", "not tried")
    assert away.step("echo")["verdict"] == "not tried"
    assert quiet.link["ms"] < 15_000
    assert quiet.step("tcp")["verdict"] == "ok"


def test_another_dialect_or_framing_is_the_configuration(tmp_path):
    def walk(case):
        ours, *words, theirs, _ = case
        city, _, address = one_link(tmp_path / f"{ours} {theirs}", dialect=ours)
        with bank_at(address, *words, dialect=theirs):
            return ping(city)

    cases = (
        ("cups", "iso87b", "iso87b bin2"),
        ("iso87a", "iso87b", "iso87b bin2"),
        ("iso87b", "cups", "cups ascii4"),
        ("cups", "--framing", "bin2", "cups", "cups bin2"),
    )
    for (*_, speaks), told in zip(cases, side_by_side(walk, *cases), strict=True):
        assert (told.code, told.found) == (1, ("configuration", "wrong-dialect"))
        assert told.step("echo")["measured"]["speaks"] == speaks
        assert speaks.split()[0] in told.link["what_en"]


def test_a_certificate_that_has_ended(tmp_path):
    authority = Authority()
    city, plan, address = one_link(tmp_path, tls=authority)
    authority.issue(plan.id, [HOST], days=(-30, -3)).written(city.papers, plan.id)
    with bank_at(address, *papers(city, plan)):
        told = ping(city)
    assert (told.code, told.found) == (1, ("certificate", "expired"))
    assert told.step("tls")["measured"]["days_left"] in (-3, -4)
    assert plan.id in told.link["what_en"]


def test_a_certificate_of_another_authority(tmp_path):
    city, plan, address = one_link(tmp_path, tls=Authority())
    Authority("another").issue(plan.id, [HOST]).written(city.papers, plan.id)
    with bank_at(address, *papers(city, plan)):
        told = ping(city)
    assert (told.code, told.found) == (1, ("certificate", "not-believed"))
    assert told.step("tls")["why"] == "unknown-authority"


def test_a_certificate_that_is_not_registered(tmp_path):
    authority = Authority()
    city, plan, address = one_link(tmp_path, tls=authority)
    authority.issue(plan.id, [HOST]).written(city.papers, plan.id)  # believed, and not the one of the row
    with bank_at(address, *papers(city, plan)):
        told = ping(city)
    assert told.found == ("certificate", "unregistered")


def test_our_certificate_is_not_accepted(tmp_path):
    city, plan, address = one_link(tmp_path, tls=Authority())
    other = tmp_path / "other.pem"
    other.write_bytes(Authority("another").certificate)
    with bank_at(address, *papers(city, plan)[:-1], other):
        told = ping(city)
    assert (told.code, told.found) == (1, ("certificate", "own-refused"))


def test_clear_text_where_tls_is_meant(tmp_path):
    city, _, address = one_link(tmp_path, tls=Authority())
    with centre(lambda _: b"0012not what TLS says") as there:
        city.config.write_text(city.config.read_text().replace(address, f"tls://{there}"))
        told = ping(city)
    assert told.found == ("configuration", "not-tls")


def test_a_handshake_that_nobody_answers(tmp_path):
    city, _, address = one_link(tmp_path, tls=Authority())
    with listener(silent) as there:
        city.config.write_text(city.config.read_text().replace(address, f"tls://{there}"))
        assert ping(city).found == ("application", "tls-silent")


def test_a_name_that_nobody_knows(tmp_path):
    city, _, _ = one_link(tmp_path, "clear://no-such-host.invalid:7001")
    told = ping(city)
    assert told.code == 1
    assert told.link["place"] in ("configuration", "network")  # whether DNS is there depends on the machine
    assert told.step("tcp")["verdict"] == "not tried"


def test_a_name_that_leads_somewhere_is_remembered(tmp_path):
    city, _, address = one_link(tmp_path, f"clear://localhost:{free_ports(1)[0]}")
    city.data.mkdir()
    told = ping(city)
    assert "127.0.0.1" in told.step("name")["measured"]["addresses"]
    assert told.step("name")["measured"]["before"] == []
    assert "127.0.0.1" in ping(city).step("name")["measured"]["before"]
    assert address in told.link["ready_en"]


def test_since_is_when_it_was_first_seen(tmp_path):
    city, _, address = one_link(tmp_path)
    city.data.mkdir()
    with bank_at(address):
        assert ping(city).link["since"] is None
    first, second = ping(city).link, ping(city).link
    assert first["since"] == second["since"]
    assert "last seen fine" in first["ready_en"]


def test_beside_a_node_nothing_is_disturbed(tmp_path):
    with town(tmp_path) as bank:
        city = one_city(tmp_path)
        told = ping(city)
        assert (told.code, told.found) == (0, ("nowhere", "fine"))
        assert told.step("tcp")["measured"]["standing"] >= 1
        bank.end()
    assert len(bank.find(kind="sign-on", way="in")) == 1  # the node's, once


class one_city:
    """A folder that holds a city already."""

    def __init__(self, folder):
        self.config = folder / "posswitch.toml"


def test_a_bank_that_takes_one_connection_only(tmp_path):
    """The first connection stays; every other one is closed."""
    first = threading.Event()

    def serve(line):
        if first.is_set():
            line.close()
        else:
            first.set()
            silent(line)

    with listener(serve) as there:
        city, _, _ = one_link(tmp_path, f"clear://{there}")
        host, _, port = there.partition(":")
        with socket.create_connection((host, int(port))):
            first.wait(5)
            told = ping(city)
    assert (told.code, told.found) == (0, ("nowhere", "one-connection"))
    assert "no second connection" in told.told["verdict_en"]


def test_links_are_walked_side_by_side(tmp_path):
    with listener(silent) as one, listener(silent) as two:
        city, _, _ = one_link(tmp_path, f'clear://{one}", "clear://{two}')
        told = ping(city)
        assert len(told.told["links"]) == 2
        assert told.seconds * 1000 < sum(link["ms"] for link in told.told["links"])
    assert [link["link"] for link in ping(city, "--link", 2).told["links"]] == [2]
    assert "2 of 2 links" in told.told["verdict_en"]


def test_what_people_read(tmp_path, capsys):
    city, plan, _ = one_link(tmp_path, more=LINE)
    ended = posswitch(capsys, "ping", BANK, "-c", city.config)
    assert ended.code == 1
    wanted = ("结论：银行应用", "Verdict: the bank's application", "电路 SZ-4711", "circuit SZ-4711")
    wanted += ("甲行值班 0755-1", "source address 127.0.0.1", "2,048 kbit/s", "Since: 2")
    for words in wanted:
        assert words in ended.out
    for key in (plan.zpk, plan.zak, (tmp_path / "secret.key").read_bytes().strip()):
        assert key.hex() not in ended.out.lower()
    assert "zpk" not in ended.out
    english = posswitch(capsys, "ping", BANK, "-c", city.config, "--lang", "en").out
    assert "结论" not in english
    assert "Verdict" in english


def test_used_wrongly(tmp_path, capsys):
    city, _, _ = one_link(tmp_path)
    for words, said in (
        ((("12345678",)), "no bank 12345678; the banks are 90010000"),
        ((BANK, "--link", "2"), "has 1"),
    ):
        ended = posswitch(capsys, "ping", *words, "-c", city.config)
        assert ended.code == 2
        assert one_line(ended.err)
        assert said in ended.err
