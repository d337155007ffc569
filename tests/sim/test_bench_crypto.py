"""The bench of cryptography measures what it says: each action does the work that its name promises."""

import random

from posswitch.crypto.mac import MACS
from posswitch.crypto.pinblock import TRANSLATIONS, PinFormat
from posswitch.sim import bench_crypto

KEYS = {
    "wrap_key_us",
    "unwrap_key_us",
    "key_block_B_wrap_us",
    "key_block_B_unwrap_us",
    "key_block_D_wrap_us",
    "key_block_D_unwrap_us",
    "sign_on_field_62_us",
    "dukpt_tdes_us",
    "dukpt_aes_us",
}


def test_every_figure_is_there():
    figures = bench_crypto.run(quick=True)
    named = {name for name in figures if name.endswith("_us")} - {"pyiso8583_us"}
    macs = {f"mac_{name}{opened}_us" for name in MACS for opened in ("", "_anew")}
    pins = {f"pin_iso-0_to_{to}_us" for to in TRANSLATIONS[PinFormat.ISO_0]}
    assert named == macs | pins | KEYS | {"seal_pan_us", "fingerprint_us"}
    assert all(figures[name] > 0 for name in (*named, "pyiso8583_us"))
    assert figures["windows"] >= 5


def test_what_is_measured_is_what_it_says():
    actions = dict(bench_crypto._actions(random.Random(7)))
    made = {name: action() for name, action in actions.items()}
    for name in MACS:
        assert made[f"mac_{name}_us"] == made[f"mac_{name}_anew_us"]
        assert len(made[f"mac_{name}_us"]) == 8
    assert [len(made[f"pin_iso-0_to_{to}_us"]) for to in ("iso-0", "iso-3", "iso-4")] == [8, 8, 16]
    key = made["unwrap_key_us"]
    assert made["key_block_B_unwrap_us"][1] == made["key_block_D_unwrap_us"][1] == key
    assert len(made["sign_on_field_62_us"]) == 40
    assert made["seal_pan_us"][1] == made["fingerprint_us"]


def test_a_seed_draws_the_same_keys_and_counters():
    first, second = (dict(bench_crypto._actions(random.Random(7))) for _ in range(2))
    for name in ("mac_x9.19_us", "unwrap_key_us", "dukpt_tdes_us", "dukpt_aes_us"):
        assert first[name]() == second[name]()
