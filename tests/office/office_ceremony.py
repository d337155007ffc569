"""Two parts, the key they make, and how people confirm what was proposed."""

import json
import re
import sys

PROGRAM = [sys.executable, "-m", "posswitch"]
BANK, OTHER, TERMINAL = "90010000", "90020000", "10000001"
ZMK = f"bank/{BANK}/zmk"
PART_1 = bytes.fromhex("138CE5B32C0E9126C291E970EA98764C")
PART_2 = bytes.fromhex("1FD3C2437F6EE6DCD9383E1A49E9674C")
WHOLE_CHECK = "9BAE3E97"
KEY = bytes.fromhex("3F419E1CB7079442AA37474C2EFBF8B8")


def confirmed(keys, *words):
    """A proposal by Li, confirmed by Wang: what the confirmation says."""
    said = keys(*words, "--by", "Li")
    assert said.code == 0, said.err
    number = re.search(r"proposal (\d+):", said.out)[1]
    ended = keys("confirm", number, "--by", "Wang")
    assert ended.code == 0, ended.err
    return ended


def acts(keys):
    return json.loads(keys("history", "--json").out)
