"""How a bank takes a new zone key: under the zone master key, with a check value and a MAC that prove it."""

import random

from posswitch.codec import Message
from posswitch.crypto.ciphers import kcv, odd_parity, tdes_decrypt
from posswitch.scheme.kinds import KEY_WORDS, text
from posswitch.sim.peers import cups
from posswitch.sim.peers.scrutiny import MAC_UNFIT, Charter, Fault

_CHECK_BYTES = 3
_BAD_FORMAT, _BAD_MAC, _NOT_OFFERED = "30", "A0", "40"
_USAGE_OF = {word: usage for usage, word in KEY_WORDS.items()}


def with_new_key(charter: Charter, offer: Message) -> Charter | Fault:
    """The charter with the key of an 0800 in force and the one before beside it, or why not."""
    usage = _USAGE_OF.get(text(offer, 53)[:1])
    if usage is None or not charter.zmk:
        return Fault(_NOT_OFFERED, "no key exchange is agreed")
    try:
        sent = bytes.fromhex(text(offer, 48))
    except ValueError:
        sent = b""
    moved, check = sent[:-_CHECK_BYTES], sent[-_CHECK_BYTES:]
    if len(moved) not in (8, 16, 24, 32):
        return Fault(_BAD_FORMAT, "field 48 holds no key")
    key = tdes_decrypt(charter.zmk, moved)
    if kcv(key[:24], _CHECK_BYTES) != check:
        return Fault(_BAD_MAC, "the key does not fit its check value: another zone master key?")
    if usage == "ZAK":
        new = charter if key == charter.zak else charter._replace(zak=key, zak_before=charter.zak)
    else:
        new = charter if key == charter.zpk else charter._replace(zpk=key, zpk_before=charter.zpk)
    if not cups.signature_fits(offer, new.zak, new.mac):
        return Fault(_BAD_MAC, MAC_UNFIT)
    return new


def with_wrong_key(charter: Charter, usage: str, entropy: random.Random) -> Charter:
    """The charter with a zone key (ZPK or ZAK) that nobody else has."""
    if usage == "ZAK":
        return charter._replace(zak=odd_parity(entropy.randbytes(len(charter.zak))), zak_before=b"")
    return charter._replace(zpk=odd_parity(entropy.randbytes(len(charter.zpk))), zpk_before=b"")


def key_request(stan: str, f7: str, centre: str, usage: str) -> Message:
    """The 0820 by which a bank asks for a new key."""
    return Message("0820", {7: f7, 11: stan, 33: centre, 53: KEY_WORDS[usage].ljust(16, "0"), 70: "101"})
