"""What is wrong with files, the configuration and keys, planted."""

import os
from pathlib import Path

import pytest
from scan_case import Cases
from scan_site import PASSPHRASE

from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.settings.config import load_config
from posswitch.settings.secret import KEPT, read_secret

CASES = Cases()

# Files


@CASES.of("file-rights")
def files_open_to_others(site, _monkeypatch, _name):
    data = site.folder / "data"
    data.mkdir(exist_ok=True)
    data.chmod(0o755)
    for name in ("journal.db", "office.db", "vitals.db"):
        (data / name).touch()
        (data / name).chmod(0o666)
    (site.folder / "secret.key").chmod(0o644)
    site.config.chmod(0o666)
    found = {Path(one.where).name for one in site.found("file-rights")}
    assert found == {"data", "journal.db", "office.db", "vitals.db", "secret.key", "posswitch.toml"}


@CASES.of("file-owner")
def a_file_of_somebody_else(site, _monkeypatch, _name):
    root_only()
    os.chown(site.config, 12345, -1)


@CASES.of("folder-rights")
def a_folder_above_that_others_write(site, _monkeypatch, _name):
    site.only = "/site"  # folders of this machine are not the test's to mend
    site.folder.chmod(0o777)


@CASES.of("folder-owner")
def a_folder_above_of_somebody_else(site, _monkeypatch, _name):
    root_only()
    site.only = "/site"
    os.chown(site.folder, 12345, -1)


def root_only():
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")


@CASES.of("configuration")
def a_configuration_with_a_mistake(site, _monkeypatch, _name):
    site.edit(("[timers]", "[timerz]"))

    def mended(one):
        said = site.sh(one.fix)
        assert said.returncode == 1
        assert "did you mean [timers]?" in said.stdout
        site.edit(("[timerz]", "[timers]"))

    site.apply = mended


# Keys


@CASES.of("keys-unseen")
def a_sealed_secret(site, monkeypatch, _name):
    assert site.sh(f"posswitch secret seal {site.folder / 'secret.key'}").returncode == 0
    root = None

    def mended(one):
        nonlocal root
        assert site.sh(one.fix).returncode == 0  # the passphrase opens it; as the supervisor hands it on:
        monkeypatch.setattr(KEPT, "_roots", {})
        KEPT.keep(site.folder / "secret.key", KEPT.root(site.folder / "secret.key"))

    monkeypatch.setattr(KEPT, "_roots", {})
    monkeypatch.setattr(KEPT.asker, "line", lambda _question: PASSPHRASE)
    site.apply = mended


@CASES.of("secret-guessable")
def a_secret_that_counts(site, monkeypatch, _name):
    monkeypatch.setattr(KEPT, "_roots", {})
    monkeypatch.setattr(KEPT.asker, "line", lambda _question: PASSPHRASE)
    file = site.folder / "secret.key"
    before = read_secret(file)
    file.write_text(bytes(range(32)).hex())
    mend = site.apply

    def mended(one):
        mend(one)
        new = site.folder / "secret.key.new"
        assert read_secret(new) != before
        new.replace(file)

    site.apply = mended


def other_key(site, clear):
    """Terminal 10000001 gets a key that is no good."""
    config = load_config(site.config, serve=False)
    hsm = SoftHsm(read_secret(config.secret), os.urandom)
    old = config.registry.terminals["10000001"].tmk.hex()
    site.edit((old, hsm.wrap(Usage.TMK, bytes.fromhex(clear)).hex()))


@CASES.of("key-weak")
def a_weak_key(site, _monkeypatch, _name):
    other_key(site, "0101010101010101FEFEFEFEFEFEFEFE")


@CASES.of("key-published")
def a_published_key(site, _monkeypatch, _name):
    other_key(site, "0123456789ABCDEFFEDCBA9876543210")


def ends(site, days):
    place = "terminal/10000001/tmk"
    said = site.sh(
        f"posswitch keys expire {place} --on $(date -d +{days}days +%F) --by Chen -c {site.config}"
    )
    assert said.returncode == 0, said.stderr
    site.confirmed()


@CASES.of("key-ends")
def a_key_near_its_end(site, _monkeypatch, _name):
    ends(site, 20)


@CASES.of("key-ended")
def a_key_behind_its_end(site, _monkeypatch, _name):
    ends(site, 20)
    site.days = 25


@CASES.of("key-old")
def a_key_that_came_long_ago(site, _monkeypatch, _name):
    onboard = "posswitch registry onboard 10000001 --merchant 802440354110001 --show-components"
    for line in ("posswitch registry remove terminal 10000001", onboard):
        said = site.sh(f"{line} -c {site.config}")
        assert said.returncode == 0, said.stderr
    site.days = 400
    mend = site.apply

    def mended(one):
        mend(one)
        site.days = 0  # the new key came now

    site.apply = mended


@CASES.of("zone-key-fixed")
def a_bank_without_a_zmk(site, _monkeypatch, _name):
    site.only = "90010000"
    mend = site.apply

    def mended(one):
        parts = [site.folder / f"{name}-{one.where.split()[1]}.part" for name in ("chen", "wang")]
        to = " ".join(f"--to {part}" for part in parts)
        said = site.sh(f"posswitch keys components ZMK --parts 2 --by Chen -c {site.config} {to}")
        assert said.returncode == 0, said.stderr
        site.confirmed()
        brought = f" --part Chen={parts[0]} --part Wang={parts[1]}"
        mend(type(one)(**{**{f: getattr(one, f) for f in one.__struct_fields__}, "fix": one.fix + brought}))

    site.apply = mended


@CASES.of("exchange-off")
def keys_that_are_exchanged_only_when_asked(site, _monkeypatch, _name):
    config = load_config(site.config, serve=False)
    hsm = SoftHsm(read_secret(config.secret), os.urandom)
    zmk = hsm.new_key(Usage.ZMK).hex()
    site.edit(("[[bank]]\n", f'[[bank]]\nzmk = "{zmk}"\n'))
    site.config.write_text(site.config.read_text() + "\n[keys]\nexchange_hours = 0\n")
