"""The bench of the journal measures what it says, on a journal that is whole."""

from posswitch.sim import bench_journal


def test_every_figure_is_there_and_says_its_unit(tmp_path):
    figures = bench_journal._measured(tmp_path, 300, 1)
    assert {name for name in figures if name.endswith("_records_per_s")} == {
        "backup_records_per_s", "restore_records_per_s", "recovery_records_per_s", "verify_records_per_s",
    }  # fmt: skip
    assert {name for name in figures if name.endswith("_cpu_us")} == {
        "backup_cpu_us", "restore_cpu_us", "recovery_cpu_us", "verify_cpu_us",
    }  # fmt: skip
    assert {name for name in figures if name.startswith("append_us_batch_")} == {
        "append_us_batch_1", "append_us_batch_64", "append_us_batch_256",
    }  # fmt: skip
    assert all(figure > 0 for name, figure in figures.items() if name != "pyiso8583_us")
    assert figures["records"] == 601
