"""Dialect files that no built-in is like: every encoding, prefix, padding and bitmap at least once."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from posswitch.codec import BUILT_IN, Dialect, load_dialect

FILES = {
    "ebcdic": """base = "iso87a"
mti = "ebcdic"
bitmap = "binary"
length_indicator = "ebcdic"
numeric = "ebcdic"
text = "cp500"
binary_fields = "raw"
""",
    "padded": """base = "iso87b"
odd_LLnumeric_pad = "left"
odd_fixed_numeric_pad = "right"
left_aligned_fixed = [23, 49]
text = "gbk"
[field_overrides]
28 = ["x+n", "fixed", 8]
48 = ["n", "LLLVAR", 999]
63 = ["n", "LL", 99]
""",
    "prefixed": """base = "iso87b"
header_bytes = 3
text = "utf-8"
[fields]
43 = { prefix = "binary 1", max = 200 }
44 = { prefix = "binary 2", encoding = "gb18030", max = 999 }
45 = { prefix = "ascii 1", max = 9 }
46 = { prefix = "bcd 1", encoding = "ebcdic", max = 99 }
47 = { prefix = "ebcdic 3", encoding = "hex-ascii", max = 255 }
48 = { prefix = "LLLL", encoding = "raw", max = 2000 }
54 = { prefix = "binary 3", encoding = "bcd", max = 5000 }
61 = { prefix = "bcd 6", encoding = "cp037", max = 9999 }
62 = { prefix = "LLLLLL", encoding = "ascii", max = 9999 }
[custom]
60 = "length 2 bytes BCD, ascii"
63 = "LL hex-ascii"
120 = "raw 4"
""",
    "wide": """base = "iso87a"
bitmap_fixed_128 = true
header_bytes = 11
numeric = "bcd"
binary_fields = "raw"
length_indicator = "binary"
""",
    "widehex": """base = "iso87b"
bitmap = "hex-ascii"
bitmap_fixed_128 = true
mti = "ebcdic"
binary_fields = "hex-ascii"
[field_overrides]
6 = ["x+n", "LL", 20]
""",
}

_MEMORY = "/dev/shm"  # a file for each input would wait for a disk
folder = Path(tempfile.mkdtemp(prefix="posswitch-fuzz-", dir=_MEMORY if Path(_MEMORY).is_dir() else None))
atexit.register(shutil.rmtree, folder, ignore_errors=True)


def place(suffix: str) -> Path:
    """A file of this process alone, in a folder that ends with the machine's temporary files."""
    return folder / f"{os.getpid()}-{suffix}"


def _loaded(name: str, text: str) -> Dialect:
    path = folder / f"{name}.toml"
    path.write_text(text, "utf-8")
    return load_dialect(str(path))


USER = {name: _loaded(name, text) for name, text in FILES.items()}
DIALECTS = {name: load_dialect(name) for name in BUILT_IN} | USER
