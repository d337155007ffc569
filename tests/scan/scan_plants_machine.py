"""What is wrong with the machine and its programs, planted."""

from scan_case import Cases

from posswitch.office import scan_kernel, scan_versions
from posswitch.office.scan_versions import Product

CASES = Cases()


@CASES.of("syn-cookies", "reverse-path", "ptrace", "core-files", "setting-unseen")
def a_setting_that_is_wrong(site, _monkeypatch, name):
    site.fake_proc()
    for one in scan_kernel.SETTINGS:
        if one.name == name:
            (site.proc / one.file).write_text("core\n" if name == "core-files" else "0\n")
        elif name == "setting-unseen" and one.name == "ptrace":
            (site.proc / one.file).unlink()


@CASES.of("swap")
def a_machine_that_swaps(site, _monkeypatch, _name):
    site.fake_proc()
    (site.proc / "swaps").write_text("Filename\n/dev/vda2\n")


@CASES.of("open-files")
def a_node_that_may_open_few_files(site, _monkeypatch, _name):
    process = site.starts("sh", "-c", "ulimit -S -n 256; echo; exec sleep 60")
    (site.folder / "data").mkdir(exist_ok=True)
    (site.folder / "data" / "node.pid").write_text(str(process.pid))


@CASES.of("clock-unsynchronised")
def a_clock_that_follows_nobody(site, monkeypatch, _name):
    flag = site.folder / "synchronised"
    monkeypatch.setattr(scan_kernel, "clock_state", lambda: 0 if flag.exists() else 5)


@CASES.of("version-holed")
def a_library_with_a_hole(site, monkeypatch, _name):
    def installed():
        newer = (site.folder / "upgraded-cryptography").exists()
        yield Product(
            "cryptography", "50.0.2" if newer else "46.0.6", "python3 -m pip install --upgrade cryptography"
        )
        yield Product("something", "0", "")

    monkeypatch.setattr(scan_versions, "installed", installed)


@CASES.of("holes-old")
def a_list_that_is_old(site, monkeypatch, _name):
    shipped = scan_versions.holes()
    site.days = (shipped.as_of.toordinal() - scan_versions.date.today().toordinal()) + 100
    mend = site.apply

    def mended(one):
        assert one.fix.endswith("make setup")  # it is in no registry
        mend(one)
        assert (site.folder / "upgraded-posswitch").exists()
        site.days -= 100  # as if the new release had a list of that day

    site.apply = mended
