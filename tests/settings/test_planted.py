"""Every kind of mistake, planted in a good configuration: found at its line, with the remedy, and alone."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from good_config import (
    AUTHORITY,
    GOOD,
    HSM,
    NODE_PAPER,
    OTHER_TMK,
    OTHER_ZPK,
    SEALED,
    SECRET,
    SHOP_PAPER,
    TMK,
    ZAK,
    ZPK,
    write_config,
    write_sealed,
)

import posswitch
from posswitch.base.errors import ConfigError
from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.settings.config import examine, load_config
from posswitch.settings.finding import ERROR, NOTE, WARNING
from posswitch.settings.machine import SOFTWARE_KEYS

VECTORS = Path(__file__).parents[1] / "vectors" / "weak_certificates.pem"
STRANGER = SoftHsm(bytes(32), os.urandom)
SHARED = HSM.wrap(Usage.TMK, bytes([5] * 8 + [*range(8)]))
FOREIGN_ZPK = STRANGER.wrap(Usage.ZPK, bytes(range(16))).hex()
PROGRAM = Path(posswitch.__file__).parent
LINKS_B = 'links = ["clear://127.0.0.1:9002"]'
PRINT = SHOP_PAPER.fingerprint
TLS = GOOD[GOOD.index("[tls]") : GOOD.index("[limits]")]
SOURCE = GOOD[GOOD.index("[[source]]") :]
BANK_B = 'id = "01030000"\nname_zh'
NODE = GOOD[: GOOD.index("\n[timers]")]
SHOP = GOOD[GOOD.index("[[merchant]]") : GOOD.index("[[terminal]]")]
SHOP_2 = '[[merchant]]\nid = "802440354110002"\nname = "Shop"\ncity = "SHENZHEN"\nmcc = "5411"\n\n'
BIN_B = 'prefix = "622300"\npan_digits = 19\nbank = "01030000"'


class Planted(NamedTuple):
    """A change of the good file; the words on the line where it must be found, and words of the remedy."""

    old: str
    new: str
    at: str
    says: str
    severity: str = ERROR


def wrong(old: str, new: str, says: str, at: str = "") -> Planted:
    return Planted(old, new, at or new, says)


def odd(old: str, new: str, says: str, at: str = "") -> Planted:
    return Planted(old, new, at or new, says, WARNING)


def noted(old: str, new: str, says: str, at: str = "") -> Planted:
    return Planted(old, new, at or new, says, NOTE)


PLANTED = {
    # tables and keys
    "unknown table": wrong("[timers]", "[timerz]", "did you mean [timers]"),
    "strange table": wrong("[limits]", "[zzz]", "the tables are"),
    "unknown list": wrong("[[bin]]\nprefix", "[[bins]]\nprefix", "did you mean [[bin]]", "[[bins]]"),
    "stray key": wrong("[node]", "colour = 1\n[node]", "under its [table]", "colour"),
    "unknown key": wrong('cutover = "', 'cutovr = "', "did you mean cutover"),
    "strange key": wrong("\n[timers]", "qqq = 1\n[timers]", "the keys are", "qqq"),
    "unknown timer": wrong("reversal = 20", "revresal = 20", "did you mean reversal"),
    "unknown limit": wrong("card_daily_minor =", "card_daily =", "did you mean card_daily_minor"),
    "table in a row": wrong("[[bin]]", "[bank.extra]\nx = 1\n[[bin]]", "no such key", "[bank.extra]"),
    "missing key": wrong('listen = "clear://127.0.0.1:9000"\n', "", "write tls://host:port", "[node]"),
    "missing key of a row": wrong(f'zpk = "{ZPK}"\n', "", "write the wrapped key", "[[bank]]"),
    "misspelt required key": wrong("pan_digits = 16", "pan_digit = 16", "did you mean pan_digits"),
    "one table for many": wrong(
        SHOP, SHOP.replace("[[merchant]]", "[merchant]"), "write [[merchant]]", "[merchant]"
    ),
    "many tables for one": wrong("[limits]", "[[limits]]", "write [limits] once"),
    "text for a number": wrong("pan_digits = 16", 'pan_digits = "16"', "whole number from 13 to 19"),
    "number for a text": wrong('cutover = "23:00"', "cutover = 2300", "HH:MM"),
    "number for an id": wrong('id = "01020000"', "id = 1020000", "8 to 11 digits"),
    "text for a list": wrong('kinds = ["sale", "void"]', 'kinds = "sale"', "write a list"),
    "number in a list": wrong('kinds = ["sale", "void"]', 'kinds = [\n"sale",\n7 ]', "short text", "7 ]"),
    "words for a flag": wrong("pan_digits = 16", 'pan_digits = 16\nforeign = ""', "true or false", "foreign"),
    "list for a text": wrong('city = "SHENZHEN"', 'city = ["SHENZHEN", 1]', "a name of at most 13"),
    "text for a timer": wrong("terminal = 60", 'terminal = "60"', "such as 25"),
    "a date": wrong('cutover = "23:00"', "cutover = 23:00:00", "HH:MM"),
    # node
    "node id of two": wrong('id = "A"', 'id = "AB"', "one digit or capital letter"),
    "node id small": wrong('id = "A"', 'id = "a"', "one digit or capital letter"),
    "acquirer too short": wrong('"48020000"', '"4802"', "8 to 11 digits"),
    "centre too long": wrong('"00010000"', '"000100000000"', "8 to 11 digits"),
    "cutover": wrong('"23:00"', '"24:00"', "00:00 to 23:59"),
    "no port": wrong("127.0.0.1:9000", "127.0.0.1", "write it as tls://0.0.0.0:6000", "listen"),
    "port too high": wrong("127.0.0.1:9000", "127.0.0.1:65536", "1 to 65535"),
    "port zero": wrong("127.0.0.1:9000", "127.0.0.1:0", "1 to 65535", "listen"),
    "host that is none": wrong("127.0.0.1:9000", "256.1.1.1:9000", "neither an IP address nor a name"),
    "host with a blank": wrong("127.0.0.1:9000", "a b:9000", "neither an IP address nor a name"),
    "host of others": wrong("127.0.0.1:9000", "203.0.113.9:9000", "an address of this machine"),
    "acquirer is a bank": wrong('"48020000"', '"01020000"', "its own number", "acquirer"),
    "centre is a bank": wrong('"00010000"', '"01030000"', "its own number", "centre"),
    "secret missing": wrong('"secret.key"', '"other.key"', "64 hex digits"),
    "secret too short": wrong('"secret.key"', '"short.key"', "64 hex digits"),
    "secret for all": wrong('"secret.key"', '"open.key"', "chmod 600"),
    "secret a folder": wrong('"secret.key"', '"keys"', "64 hex digits"),
    "secret in the file": wrong('"secret.key"', f'"{"5a" * 32}"', "name the file", 'secret = "'),
    "secret a number": wrong('"secret.key"', "12345", "name of a file", "secret ="),
    "secret of others": wrong('"secret.key"', '"stranger.key"', "opens none of the 6 keys"),
    "secret plain": noted('"secret.key"', '"plain.key"', "seal it: posswitch secret seal"),
    "sealed secret cut": wrong('"secret.key"', '"cut.key"', "is damaged; bring back its copy"),
    "sealed secret too costly": wrong('"secret.key"', '"greedy.key"', "a cost beyond scrypt with N = 2^14"),
    "sealed secret of tomorrow": wrong('"secret.key"', '"newer.key"', "another release; upgrade"),
    "secret with the data": odd('"secret.key"', '"data/secret.key"', "keep it elsewhere"),
    "data in the program": wrong('data = "data"', f'data = "{PROGRAM}/d"', "elsewhere"),
    "data a file": wrong('data = "data"', 'data = "secret.key"', "name a folder"),
    "data under a file": wrong('data = "data"', 'data = "short.key/data"', "name a folder"),
    "data where none can be made": wrong('data = "data"', 'data = "/proc/d"', "name another folder"),
    "data behind a dead link": wrong('data = "data"', 'data = "nowhere/data"', "name a folder"),
    "data with a long name": wrong('data = "data"', f'data = "{"d" * 300}"', "name another folder"),
    "data empty": wrong('data = "data"', 'data = ""', "file or folder"),
    "data with a zero": wrong('data = "data"', 'data = "a\\u0000b"', "file or folder", "data ="),
    # algorithms
    "a bank's MAC misspelt": wrong(LINKS_B, LINKS_B + '\nmac = "x9.91"', "did you mean x9.9", "mac ="),
    "a terminal's MAC at a bank": wrong(LINKS_B, LINKS_B + '\nmac = "cup-ecb"', "use one of", "mac ="),
    "a MAC's padding": wrong(LINKS_B, LINKS_B + '\nmac = "x9.19 pad-3"', "MACs by name", "mac ="),
    "a bank's MAC at a terminal": wrong(
        f'tmk = "{TMK}"', f'tmk = "{TMK}"\nmac = "sm4-cmac"', "use one of", "mac ="
    ),
    "a PIN block misspelt": wrong(
        LINKS_B, LINKS_B + '\npin_block = "iso0"', "did you mean iso-0", "pin_block"
    ),
    "a PIN block that no PIN may become": wrong(
        LINKS_B, LINKS_B + '\npin_block = "iso-1"', "did you mean", "pin_block"
    ),
    "a PIN block too long": wrong(LINKS_B, LINKS_B + '\npin_block = "iso-4"', "a dialect file", "pin_block"),
    "master key in clear": wrong(LINKS_B, LINKS_B + f'\nzmk = "{"5a" * 16}"', "wrap it", "zmk"),
    # production
    "production in words": wrong("\n[timers]", 'production = "yes"\n[timers]', "true or false", "production"),
    "production without an HSM": wrong("\n[timers]", "production = true\n[timers]", "name one in [hsm] links",
                                       "production"),
    "production with half a promise": wrong(
        NODE, NODE + 'production = true\n[hsm]\nsoftware = "keys in memory are accepted"\n',
        f'write exactly "{SOFTWARE_KEYS}"', "software ="),
    "production with a plain secret": wrong(
        NODE,
        NODE.replace("secret.key", "plain.key") + f'production = true\n[hsm]\nsoftware = "{SOFTWARE_KEYS}"\n',
        "seal it: posswitch secret seal", "plain.key"),
    # timers and limits
    "bank waits longer": wrong("bank = 25", "bank = 30", "raise centre or lower bank"),
    "centre waits longer": wrong("centre = 30", "centre = 60", "raise terminal or lower centre"),
    "flight too short": wrong("flight_max = 120", "flight_max = 59", "raise flight_max", "terminal = 60"),
    "default outside": wrong("terminal = 60\n", "terminal = 121\n", "raise flight_max", "terminal = 121"),
    "pause beyond the longest": wrong("reversal = 20", "reversal = 61", "raise reversal_max"),
    "timer zero": wrong("bank = 25", "bank = 0", "more than 0"),
    "timer endless": wrong("reversal_max = 60", "reversal_max = inf", "at most 1000000"),
    "timer no number": wrong("flight_max = 120", "flight_max = nan", "at most 1000000"),
    "timer huge": wrong("flight_max = 120", f"flight_max = {10**400}", "such as 25", "flight_max"),
    "limit negative": wrong("5000000", "-1", "from 0 to"),
    "limit not whole": wrong("5000000", "1.5", "whole number"),
    # banks
    "bank id too short": wrong('id = "01020000"', 'id = "0102"', "8 to 11 digits"),
    "bank id with letters": wrong(BANK_B, BANK_B.replace("0103", "ABCD"), "8 to 11 digits", "ABCD"),
    "bank twice": wrong(BANK_B, BANK_B.replace("3", "2"), "remove one", 'id = "01020000"'),
    "bank without name": wrong('name_en = "Bank A"', 'name_en = ""', "at most 64 characters"),
    "bank idle": odd(BIN_B, BIN_B.replace("01030000", "01020000"), "add a [[bin]]", 'id = "01030000"'),
    "no link": wrong(LINKS_B, "links = []", "1 to 16"),
    "too many links": wrong(LINKS_B, f"links = {[f'h:{n}' for n in range(1, 18)]}", "1 to 16", "h:17"),
    "link no address": wrong('"clear://127.0.0.1:9002"', '"127.0.0.1"', "10.0.0.1:7001", "links"),
    "link of two banks": wrong(
        "clear://127.0.0.1:9002", "tls://BANK-A.example.:7001", "give each bank its own"
    ),
    "link to ourselves": wrong("127.0.0.1:9002", "localhost:9000", "write the bank's address"),
    "link twice": odd(LINKS_B, LINKS_B.replace("[", '["clear://127.0.0.1:9002", '), "both fail together"),
    "unknown dialect": wrong('dialect = "cups"', 'dialect = "cusp"', "did you mean cups"),
    "no dialect file": wrong('dialect = "cups"', 'dialect = "bank-x.toml"', "No such file"),
    "dialect file wrong": wrong('dialect = "cups"', 'dialect = "broken.toml"', "numeric"),
    "dialect a folder": wrong('dialect = "cups"', 'dialect = "keys"', "is not a file"),
    "dialect without Chinese": odd('dialect = "cups"', 'dialect = "iso87a"', "letters", "甲商店"),
    "line of two parts": wrong(LINKS_B, LINKS_B + '\nlines = ["SZ-4711/CT"]', "SZ-4711/CT/2048", "lines"),
    "line with a blank": wrong(LINKS_B, LINKS_B + '\nlines = ["SZ 47/CT/1"]', "without blanks", "lines"),
    "line without a link": wrong(
        LINKS_B, LINKS_B + '\nlines = ["a/b/1", "//"]', "one for each link", "lines"
    ),
    "unknown framing": wrong('"ascii4"', '"ascii5"', "did you mean ascii4"),
    # keys
    "key not hex": wrong(f'"{ZPK}"', '"no hex"', "in hex", "zpk ="),
    "key cut": wrong(ZPK, ZPK[:-2], "copy the whole of it"),
    "key in clear": wrong(f'"{TMK}"', f'"{"01" * 16}"', "a clear key must not stand here"),
    "key damaged": wrong(ZPK, ZPK[:-2] + ("00" if ZPK[-2:] != "00" else "01"), "wrap the key again"),
    "key of another secret": wrong(ZPK, FOREIGN_ZPK, "under another secret"),
    "key of another usage": wrong(f'zpk = "{ZPK}"', f'zpk = "{ZAK}"', "is wrapped as a ZAK"),
    "key shared by terminals": odd(OTHER_TMK, TMK, "a key of its own", 'tmk = "' + TMK),
    "key shared by banks": odd(OTHER_ZPK, ZPK, "a key of its own", 'zpk = "' + ZPK),
    # how addresses speak
    "clear text to a bank": odd("tls://bank-a.", "clear://bank-a.", "nobody else is on that line"),
    "bare address of a bank": odd("tls://bank-a.", "bank-a.", "say clear:// when that is meant, or tls://"),
    "bare address of this machine": noted(
        LINKS_B, LINKS_B.replace("clear://", ""), "say clear:// when that is meant"
    ),
    "bare listen address": noted("clear://127.0.0.1:9000", "127.0.0.1:9000", "say clear://"),
    "clear text for all": odd("clear://127.0.0.1:9000", "clear://0.0.0.0:9000", "write tls://"),
    "bare for all": odd("clear://127.0.0.1:9000", "0.0.0.0:9000", "say clear://"),
    "unknown way to speak": wrong("tls://bank-a.", "ssl://bank-a.", "write it as tls://"),
    "way to speak in capitals": wrong("clear://127.0.0.1:9000", "CLEAR://127.0.0.1:9000", "write it as tls://"),
    # certificates
    "no [tls]": wrong(TLS, "", "add [tls]", "tls://bank-a."),
    "no key for TLS": wrong('key = "tls/node.key"\n', "", "the name of a PEM file", "[tls]"),
    "no authorities": wrong('authorities = "', 'autorities = "', "did you mean authorities"),
    "certificate not there": wrong("tls/node.pem", "tls/gone.pem", "No such file"),
    "certificate a folder": wrong("tls/node.pem", "tls", "name a PEM file", 'certificate = "tls"'),
    "certificate not PEM": wrong("tls/node.pem", "secret.key", "BEGIN CERTIFICATE", "certificate ="),
    "certificate ended": odd("tls/node.pem", "tls/ended.pem", "renew it now"),
    "certificate ends": odd("tls/node.pem", "tls/ends.pem", "ends in "),
    "certificate of tomorrow": odd("tls/node.pem", "tls/tomorrow.pem", "set the clock"),
    "certificate of another key": wrong("tls/node.pem", "tls/other.pem", "does not fit", "key ="),
    "key not there": wrong("tls/node.key", "tls/gone.key", "No such file"),
    "key for all": wrong("tls/node.key", "tls/open.key", "chmod 600"),
    "key locked": wrong("tls/node.key", "tls/locked.key", "with a password"),
    "key no key": wrong("tls/node.key", "secret.key", "a private key in PEM", "key ="),
    "authority weak": wrong("tls/authority.pem", "tls/rsa.pem", "an RSA key of 1024 bits"),
    "authority signed with SHA-1": wrong("tls/authority.pem", "tls/sha1.pem", "signed with SHA1"),
    "authority signed with MD5": wrong("tls/authority.pem", "tls/md5.pem", "signed with MD5"),
    "authority ended": odd("tls/authority.pem", "tls/ended.pem", "number 1"),
    "authorities empty": wrong("tls/authority.pem", "tls/empty.pem", "no certificates"),
    "weak cipher": wrong("\n[limits]", 'ciphers = "AES128-SHA"\n[limits]', "which is weak", "ciphers"),
    "unknown cipher": wrong("\n[limits]", 'ciphers = "QUANTUM"\n[limits]', "no cipher", "ciphers"),
    "level of ciphers": wrong("\n[limits]", 'ciphers = "ALL:@SECLEVEL=0"\n[limits]', "is not a list",
                              "ciphers"),
    "bank's certificate cut": wrong('dialect = "cups"', 'certificates = ["AB:CD"]', "-fingerprint -sha256"),
    # sources
    "source twice": wrong(SOURCE, SOURCE + SOURCE.replace(PRINT, "ab" * 32), "remove one", "acquirer-1"),
    "certificate of two sources": wrong(SOURCE, SOURCE + SOURCE.replace("r-1", "r-2"),
                                        "give each its own certificate", "["),
    "source without certificate": odd(f'["{PRINT}"]', "[]", "openssl x509", "certificates = []"),
    "source's certificate cut": wrong(PRINT, PRINT[:-2], "no SHA-256 of a certificate"),
    "source of nobody": odd('["100000"]', '["9"]', "write how their numbers begin"),
    "source of nothing": odd('terminals = ["100000"]', "", "write how their numbers begin", "[[source]]"),
    "beginning too long": wrong('["100000"]', '["100000012"]', "first 1 to 8 characters"),
    "beginning empty": wrong('["100000"]', '[""]', "first 1 to 8 characters"),
    "beginnings no list": wrong('["100000"]', '"100000"', "list at most 100 beginnings"),
    # cards
    "range twice": wrong(BIN_B, BIN_B + f"\n[[bin]]\n{BIN_B}", "remove one", 'prefix = "622300"'),
    "prefix inside": odd(BIN_B, BIN_B + '\n[[bin]]\nprefix = "6223001"\npan_digits = 19\nbank = "01020000"',
                         "the longer prefix wins", '"6223001"'),
    "prefix too long": wrong('"622200"', '"62220000000000001"', "shorten it"),
    "prefix with letters": wrong('"622200"', '"6222AB"', "first digits"),
    "prefix a number": wrong('"622200"', "622200", "between quotes"),
    "cards too short": wrong("pan_digits = 16", "pan_digits = 12", "from 13 to 19"),
    "cards too long": wrong("pan_digits = 19", "pan_digits = 20", "from 13 to 19"),
    "range of no bank": wrong('bank = "01020000"', 'bank = "01990000"', "add a [[bank]]"),
    # backup
    "backup to nowhere": wrong("[limits]", "[backup]\nevery = 5\n[limits]", "another disk", "[backup]"),
    "backup without a pause": wrong("[limits]", '[backup]\nto = "b"\nevery = 0\n[limits]', "1 to 3600",
                                    "every = 0"),
    "backup in the data": wrong("[limits]", '[backup]\nto = "data/b"\n[limits]', "another disk", "to ="),
    "backup in place of the data": wrong("[limits]", '[backup]\nto = "data"\n[limits]', "another disk",
                                         "to ="),
    "backup beside the data": odd("[limits]", '[backup]\nto = "b"\n[limits]', "another disk", "to ="),
    "backup in a file": wrong("[limits]", '[backup]\nto = "broken.toml"\n[limits]', "remove that file",
                              "to ="),
    "rehearsal unknown": wrong("[limits]", '[backup]\nto = "b"\nrehearsal = 5\n[limits]',
                               "did you mean rehearse", "rehearsal"),
    # merchants
    "merchant id too short": wrong('id = "802440354110001"', 'id = "80244"', "15 ASCII characters"),
    "merchant twice": wrong("[[terminal]]", SHOP_2.replace("0002", "0001") + "[[terminal]]", "remove one",
                            'id = "802440354110001"'),
    "merchant idle": odd("[[terminal]]", SHOP_2 + "[[terminal]]", "add a [[terminal]]", "802440354110002"),
    "mcc of three": wrong('mcc = "5411"', 'mcc = "541"', "4 digits"),
    "mcc a number": wrong('mcc = "5411"', "mcc = 5411", "4 digits between quotes"),
    "mcc differs": odd('mcc = "5411"', 'mcc = "5912"', "ask the acquirer"),
    "name too long": wrong('"甲商店 Shop"', f'"{"N" * 26}"', "at most 25 letters or 12 汉字"),
    "name of too many bytes": wrong('"甲商店 Shop"', f'"{"甲" * 13}"', "shorten it to 25 letters or 12"),
    "city of too many bytes": wrong('"SHENZHEN"', f'"{"深" * 7}"', "shorten it to 13 letters or 6"),
    "name with a line end": wrong('"甲商店 Shop"', '"A\\nB"', "at most 25 letters or 12 汉字", "name = "),
    # terminals
    "terminal id too long": wrong('"10000001"', '"100000001"', "8 ASCII characters"),
    "terminal id in Chinese": wrong('"10000001"', '"终端000001"', "8 ASCII characters"),
    "terminal twice": wrong('"10000002"', '"10000001"', "remove one", 'id = "10000001"'),
    "terminal of nobody": wrong(f'merchant = "802440354110001"\ntmk = "{TMK}"',
                                f'merchant = "802440354110009"\ntmk = "{TMK}"', "add a [[merchant]]", "0009"),
    "unknown kind": wrong('"void"', '"viod"', "did you mean void"),
    "unknown currency": wrong('"156"', '"978"', "use one of 156"),
    "currency in letters": wrong('"156"', '"CNY"', "3 digits"),
    "bank speaks as a terminal": wrong('dialect = "cups"', 'dialect = "pos"', "use cups"),
    "terminal dialect": wrong('dialect = "pos"', 'dialect = "cups"', "use pos"),
    # not TOML
    "quote missing": wrong('name_en = "Bank A"', 'name_en = "Bank A', "close the text"),
    "no quotes": wrong('cutover = "23:00"', "cutover = late", "between quotes"),
    "number with zeros": wrong('"48020000"', "0048", "begins with 0", "acquirer"),
    "key twice": wrong("bank = 25", "bank = 25\nbank = 26", "stands twice", "bank = 26"),
    "table twice": wrong("[limits]", "[timers]\n[limits]", "stands twice", "[timers]"),
    "no equals": wrong("bank = 25", "bank 25", "key = value"),
    "colon": wrong("bank = 25", "bank: 25", "not a colon"),
    "full width equals": wrong("bank = 25", "bank ＝ 25", "full width"),
    "typographic quotes": wrong('"Bank A"', "“Bank A”", "straight quotes"),
    "bad escape": wrong('data = "data"', r'data = "c:\data"', r"\\ for a backslash"),
    "heading open": wrong("[limits]", "[limits", "close the heading with ]"),
    "list heading open": wrong("[[bank]]", "[[bank]", "close the heading with ]]"),
    "list open": wrong(LINKS_B, LINKS_B[:-1], "close the list", "zpk ="),
    "no value": wrong("bank = 25", "bank =", "write a value"),
    "True": wrong("pan_digits = 16", "pan_digits = 16\nforeign = True", "small letters", "foreign"),
    "control character": wrong('"Bank A"', '"Bank\x01A"', "control character", "name_en"),
    "two on a line": wrong('id = "A"', 'id = "A" data = "d"', "each line"),
    "long text open": wrong('name_zh = "甲银行"', 'name_zh = """甲银行', "close the text"),
    "byte order mark": wrong("[node]", "\ufeff[node]", "without BOM"),
    "nested too deeply": wrong("bank = 25", f"bank = {'[' * 3000}", "remove the inner", "[node]"),
    "endless number": wrong("bank = 25", f"bank = {'9' * 5000}", "shorten the number"),
}  # fmt: skip


def _write_papers(folder: Path) -> None:
    """Certificates and keys that are no good, each in its own way."""
    key = load_pem_private_key(NODE_PAPER.key, None)
    for name, days in {"ended": (-9, -1), "ends": (-9, 7), "tomorrow": (1, 90)}.items():
        (folder / f"{name}.pem").write_bytes(AUTHORITY.issue("node", days=days, key=key).certificate)
    (folder / "other.pem").write_bytes(AUTHORITY.issue("other").certificate)
    (folder / "rsa.pem").write_bytes(
        AUTHORITY.issue("rsa", key=rsa.generate_private_key(65537, 1024)).certificate
    )
    weak = VECTORS.read_text().partition("-----END CERTIFICATE-----\n")
    (folder / "sha1.pem").write_text(weak[0] + weak[1])
    (folder / "md5.pem").write_text(weak[2])
    (folder / "empty.pem").write_text("")
    (folder / "open.key").write_bytes(NODE_PAPER.key)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    (folder / "locked.key").touch(0o600)
    (folder / "locked.key").write_bytes(locked)


@pytest.fixture
def folder(tmp_path):
    """A folder with secrets and dialects of every sort."""
    write_config(tmp_path)
    files = {
        "short.key": "00" * 31,
        "open.key": SECRET.hex(),
        "stranger.key": "00" * 32,
        "plain.key": SECRET.hex(),
        "cut.key": SEALED[:-9],
        "greedy.key": SEALED.replace("scrypt 14 8 1", "scrypt 30 8 1"),
        "newer.key": SEALED.replace("secret 1", "secret 2"),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644 if name == "open.key" else 0o600)
    (tmp_path / "keys").mkdir()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "data").mkdir()
    write_sealed(tmp_path / "data" / "secret.key")
    _write_papers(tmp_path / "tls")
    (tmp_path / "broken.toml").write_text('base = "cups"\nnumeric = "roman"\n')
    return tmp_path


def test_the_good_one_is_good(folder):
    examined = examine(folder / "switch.toml")
    assert examined.findings == []
    assert load_config(folder / "switch.toml") == examined.config or examined.config is not None


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_mistake_is_found_at_its_line_with_its_remedy(folder, planted):
    assert planted.old in GOOD
    text = GOOD.replace(planted.old, planted.new, 1)
    path = write_config(folder, text)
    examined = examine(path)
    lines = [at for at, line in enumerate(text.split("\n"), 1) if planted.at.split("\n")[0] in line]
    said = [examined.line(finding) for finding in examined.findings]
    found = examined.of(planted.severity)  # an error may make a row idle: a warning beside it
    assert [planted.says in str(finding) for finding in found] == [True], said
    (finding,) = found
    assert finding.line in lines, said
    assert planted.severity == ERROR or examined.findings == found, said
    assert all("\n" not in line for line in said)
    if planted.severity != ERROR:
        assert load_config(path).registry.banks
    else:
        with pytest.raises(ConfigError) as raised:
            load_config(path)
        assert str(raised.value).startswith(f"{path}:{finding.line}:{finding.column}: {finding}")
