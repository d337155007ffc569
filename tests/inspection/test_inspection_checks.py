"""Every check of the inspection can be well, attention and wrong, on real folders; damage is a line, too."""

import json
import re
import time
from datetime import date

import apsw
import pytest
from archive_town import Town as Keeping
from cli_runs import posswitch
from inspection_town import BANKS, Town, checks, know_holes

from capacity_scene import LongTown, SizedDisk, write_ring
from posswitch.archive.rehearsal import rehearse
from posswitch.base.moment import NS_PER_S, stamp
from posswitch.diagnose.incident import Phase
from posswitch.edge.headroom import mark_bytes
from posswitch.office import inspection_day
from posswitch.office.inspection import CHECKS
from posswitch.office.inspection_books import certificates
from posswitch.office.inspection_line import Standing, rows, worst
from posswitch.office.scan_finding import _rows, weak
from posswitch.office.scan_results import Result, keep
from posswitch.sim.authority import Authority
from posswitch.sim.city import build_city

DAY_S = 86_400
CASES = {}


def case(name):
    """How a row of the table comes about."""

    def kept(arrange):
        assert name not in CASES
        CASES[name] = arrange
        return arrange

    return kept


@pytest.fixture(autouse=True)
def no_holes(monkeypatch):
    know_holes(monkeypatch)


def test_where_everything_is_well_every_line_says_so(town):
    town.lives()
    found = {line.check: (line.standing, line.do_en) for line in town.lines()}
    assert found == dict.fromkeys(checks(), (Standing.WELL, ""))


@case("node.restarted")
def _(town):
    world = town.pays(0)
    for _ in range(3):
        world._open()
        world.close()
    town.lives()


@case("node.away")
@case("links.unseen")
@case("reversals.unseen")
@case("capacity.unseen")
def _(town):
    """Nobody speaks."""


@case("links.down")
def _(town):
    bank = BANKS[0]
    town.lives(**{f"bank.{bank}.links_able": 1, f"link.{bank}.0.up": 1, f"link.{bank}.1.up": 0})


@case("links.none")
def _(town):
    town.lives(**{f"bank.{BANKS[0]}.links_able": 0})


@case("reversals.wait")
def _(town):
    town.lives(**{f"bank.{BANKS[0]}.lane": 3, f"bank.{BANKS[0]}.lane_age_s": 90.0})


@case("reversals.stuck")
def _(town):
    town.lives(**{f"bank.{BANKS[0]}.lane": 3, f"bank.{BANKS[0]}.lane_age_s": 7200.0})


@case("incidents.blind")
def _(town):
    town.incident(phase=Phase.RESOLVED, closed=True)


@case("incidents.over")
def _(town):
    town.lives()
    town.incident(phase=Phase.RESOLVED, closed=True)


@case("incidents.open")
def _(town):
    town.incident()


@case("unknowns.some")
def _(town):
    _unknown(town)


@case("unknowns.old")
def _(town):
    _unknown(town)
    town.later_s = 2 * DAY_S


def _unknown(town):
    world = town.pays(0)
    world._open()
    world.pay(outcome="")
    world.timer()
    world.expire()
    world.close()


@case("head.unseen")
@case("keys.unseen")
def _(town):
    town.seal()


@case("head.differs")
def _(town):
    (town.data / "journal.head").write_bytes(bytes(216))


@case("disk.full")
def _(town):
    town.disk = SizedDisk(0)


@case("clock.free")
def _(town):
    town.synchronised = 5


@case("clock.unseen")
def _(town):
    town.synchronised = -1


@case("clock.behind")
def _(town):
    town.later_s = -DAY_S


@case("capacity.short")
def _(town):
    town.lives(hsm_ready=0)


@case("backup.none")
@case("rehearsal.never")
def _(town):
    town.edit(r"^\[backup\]\n(.+\n)*", "")


@case("backup.behind")
def _(town):
    town.pays(1)


@case("backup.lost")
def _(town):
    town.pays(1)
    town.later_s = DAY_S


@case("rehearsal.old")
def _(town):
    town.later_s = 400 * DAY_S


@case("rehearsal.failed")
def _(town):
    keeping = Keeping(town.folder)
    keeping.segments()[0].write_bytes(b"torn")
    assert not rehearse(keeping.shelf, keeping.sealed, keeping.key, time.time_ns())["ok"]


@case("chip.poor")
def _(town):
    town.pays(3, entry="801")


@case("chip.bad")
def _(town):
    town.pays(10, entry="021")  # the same cards were read with their chips before


@case("failures.some")
def _(town):
    town.pays(170)
    town.pays(10, terminal="10000002", merchant="802440359120002", outcome="91")


@case("failures.many")
def _(town):
    town.pays(10, outcome="91")


@case("firmware.mixed")
def _(town):
    _fitted(town)


@case("firmware.bad")
def _(town):
    _fitted(town)
    town.pays(20, terminal="10000002", merchant="802440359120002", outcome="96")


def _fitted(town):
    """Two terminals of one model, each with a version of its own."""
    for number in (1, 2):
        town.edit(rf'^id = "1000000{number}"$', rf'\g<0>\nmodel = "N5"\nfirmware = "1.{number}"')


@case("drift.some")
def _(town):
    town.drifts("dialect", "cups")


@case("drift.money")
def _(town):
    town.drifts("currency", "840")


@case("guards.shadow")
def _(town):
    town.guarded("shadow", 600)


@case("guards.bar")
def _(town):
    town.lives()
    town.guarded("force", 600)


@case("scan.none")
def _(town):
    for path in (town.data / "scans").iterdir():
        path.unlink()


@case("scan.old")
def _(town):
    town.later_s = 30 * DAY_S


@case("scan.warnings")
def _(town):
    keep(
        town.data, Result(time.time_ns(), "2026-01-01", [weak("port-unexpected", "0.0.0.0:1", "x", what="y")])
    )


@case("scan.errors")
def _(town):
    (name,) = [name for name, row in _weaknesses().items() if row == "error"][:1]
    keep(town.data, Result(time.time_ns(), "2026-01-01", [weak(name, "there", "x", what="y")]))


def _weaknesses():
    return {name: row[0] for name, row in _rows().items()}


@pytest.mark.parametrize("name", CASES)
def test_each_row_comes_about(town, name):
    CASES[name](town)
    line = town.line(name.partition(".")[0])
    assert (line.name, line.standing) == (name, rows()[name][0]), line.en
    assert line.do_zh and line.do_en


# Those that need another town


def test_the_disk_in_days(tmp_path):
    grown = LongTown(tmp_path)
    grown.write([40, 60, 50, 3])
    town = Town(tmp_path)
    said = [town.line("disk").name]
    for left in (40_000, 1_000):  # bytes more than the mark
        free = _mark(town) + left
        town.disk = SizedDisk(free)
        said.append(town.line("disk").name)
    assert said[0] == "disk.room"
    assert {"disk.near", "disk.full"} >= set(said[1:])
    near = [
        name for left in range(20_000, 2_000_000, 20_000) if (name := _disk_at(town, left)) == "disk.near"
    ]
    assert near


def _mark(town):
    return mark_bytes(town.disk.whole_bytes)


def _disk_at(town, left):
    town.disk = SizedDisk(_mark(town) + left)
    return town.line("disk").name


def test_what_will_be_full_soon_beside_the_disk(tmp_path):
    grown = LongTown(tmp_path)
    grown.write([*(20 + 6 * day for day in range(21)), 3])
    write_ring(grown.config.data, time.time_ns(), connections=3800)
    line = Town(tmp_path).line("capacity")
    assert (line.name, "connections" in line.en) == ("capacity.near", True)


def test_certificates_near_their_end_and_past_it(tmp_path):
    build_city(tmp_path, 1, 2, tls=Authority())
    town = Town(tmp_path)
    said = {}
    for days in (0, 340, 370):
        town.later_s = days * DAY_S
        said[days] = town.line("certificates")
    assert [line.name for line in said.values()] == [
        "certificates.far", "certificates.near", "certificates.ended",
    ]  # fmt: skip
    assert "own" in said[370].en


def test_a_certificate_that_cannot_be_read_is_wrong(tmp_path):
    build_city(tmp_path, 1, 2, tls=Authority())
    scene = Town(tmp_path).scene()
    scene.config.tls.certificate.write_text("no certificate")
    line = certificates(scene)
    assert (line.name, "own" in line.en) == ("certificates.ended", True)


def test_keys_near_their_end_and_past_it(town, capsys):
    day = stamp(time.time_ns() + 20 * DAY_S * NS_PER_S).day
    on = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    place = f"bank/{BANKS[0]}/zpk"
    asked = posswitch(capsys, "keys", "expire", place, "--on", on, "--by", "chen", "-c", town.config)
    assert asked.code == 0, asked.err
    for number in town.scene().desk.ledger.open(time.time_ns()):
        words = ("keys", "confirm", number, "--by", "wang", "-c", town.config)
        assert posswitch(capsys, *words).code == 0
    near = town.line("keys")
    assert (near.name, place in near.en) == ("keys.near", True)
    town.later_s = 40 * DAY_S
    assert town.line("keys").name == "keys.ended"


def test_versions_with_holes_and_an_old_list(town, monkeypatch):
    know_holes(monkeypatch, "python")
    assert town.line("versions").name == "versions.holed"
    know_holes(monkeypatch, as_of=date(2020, 1, 1))
    assert town.line("versions").name == "versions.old"


def test_a_record_that_was_changed_is_named(town):
    db = apsw.Connection(str(town.data / "journal.db"))
    db.execute("DROP TRIGGER journal_no_update")
    db.execute("UPDATE journal SET body = x'00' WHERE seq = 5")
    db.close()
    line = town.line("head")
    assert (line.name, "record 5" in line.en) == ("head.differs", True)


def test_a_tail_that_was_cut_is_noticed(town):
    db = apsw.Connection(str(town.data / "journal.db"))
    db.execute("DROP TRIGGER journal_no_delete")
    db.execute("DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)")
    db.close()
    assert "the head names" in town.line("head").en


# What holds of all


def test_every_check_has_all_three_standings():
    for check in CHECKS:
        found = {row[0] for name, row in rows().items() if name.startswith(f"{check.name}.")}
        assert found >= {"well", "attention"}, check.name
        if "wrong" not in found:
            pytest.fail(f"{check.name} cannot be wrong")


def test_the_table_of_words_is_whole():
    for name, row in rows().items():
        standing, *texts = row
        assert standing in set(Standing), name
        assert all(texts[:2]), name
        assert bool(texts[2]) == bool(texts[3]) == (standing != "well"), name
        assert re.search("[一-鿿]", texts[0]) and not re.search("[一-鿿]", texts[1] + texts[3]), name
    assert {name.partition(".")[0] for name in rows()} == {"any", *checks()}


def test_worst_of_none_is_well():
    assert worst([]) is Standing.WELL


@pytest.mark.parametrize(
    "name", ["journal.db", "vitals.db", "diagnosis.db", "office.db", "archive/rehearsal.json"]
)
def test_a_damaged_file_is_a_line_and_no_accident(town, name):
    town.lives()
    path = town.folder / name if "/" in name else town.data / name
    for beside in path.parent.glob(f"{path.name}-*"):
        beside.unlink()
    path.write_bytes(b"no database at all" * 1000)
    lines = town.lines()
    assert [line.check for line in lines] == checks()
    assert any(line.standing is not Standing.WELL for line in lines)
    assert "Traceback" not in json.dumps([line.en for line in lines])


def test_an_empty_folder_is_told_line_by_line(tmp_path):
    build_city(tmp_path, 1, 2)
    lines = Town(tmp_path).lines()
    assert [line.check for line in lines] == checks()
    assert worst(lines) is Standing.WRONG


def test_a_long_day_is_cut_to_its_newest_records(town, monkeypatch):
    monkeypatch.setattr(inspection_day, "RECORDS_MAX", 20)
    found = town.scene().survey
    assert (found.records, found.cut) == (20, True)
