"""Real messages and what they mean: committed rows, and the rest when it lies beside the repository."""

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from posswitch.codec import Dialect, load_dialect

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "tests" / "vectors" / "codec_samples.tsv"
REFERENCE = next(
    (
        path
        for folder in (ROOT.parent, ROOT.parent.parent)  # a checkout, or a worktree one folder deeper
        if (path := folder / "shared" / "reference" / "samples.tsv").exists()
    ),
    None,
)


class Sample(NamedTuple):
    name: str
    profile: str
    payload: bytes  # without the length prefix
    expected: dict[str, Any]

    def dialect(self, folder: Path) -> Dialect:
        path = folder / "profile.json"
        path.write_text(self.profile, "utf-8")
        return load_dialect(str(path))


def _rows(path: Path) -> list[Sample]:
    with path.open(encoding="utf-8") as lines:
        return [_sample(row) for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]


def _sample(row: dict[str, str]) -> Sample:
    skip = json.loads(row["profile_json"]).get("length_prefix_bytes", 0)
    payload = bytes.fromhex(row["message_hex"])[skip:]
    return Sample(row["id"], row["profile_json"], payload, json.loads(row["expected_json"]))


@cache
def samples() -> list[Any]:
    """Parameters for pytest: every committed sample, then the others or one skip that says why."""
    committed = _rows(COMMITTED)
    params = [pytest.param(sample, id=sample.name) for sample in committed]
    if REFERENCE is None:
        reason = "messages without a permissive licence are not committed"
        return [*params, pytest.param(None, id="reference", marks=pytest.mark.skip(reason=reason))]
    known = {sample.name for sample in committed}
    return params + [pytest.param(s, id=s.name) for s in _rows(REFERENCE) if s.name not in known]
