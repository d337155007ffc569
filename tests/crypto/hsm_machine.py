"""A state machine that asks an HSM everything, in any order, with keys of every usage.

It plays the issuer too: it deciphers what was translated and sees whose PIN it is.
"""

from itertools import product

from hsm_issuer import (
    FAULTS,
    HOW,
    MASTERS,
    MOVES,
    PANS,
    PINS,
    SIZES,
    TWISTS,
    WITH_PAN,
    Key,
    Typed,
    cipher_of,
    enciphered,
    faulty,
)
from hsm_rooms import Search, SoftRoom, spoken
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import AES, TDES, kcv, tdes_decrypt
from posswitch.crypto.commands import (
    ExportKey,
    Mac,
    MacFits,
    NewKey,
    OpenTrack,
    SignOnKeys,
    TranslatePin,
    Usage,
)
from posswitch.crypto.pinblock import PinFormat, decipher, decode, encode
from posswitch.crypto.signon import LAYOUTS, open_working_keys


class Sequences(RuleBasedStateMachine):
    """Anything that may be asked; `room` says of whom."""

    room = SoftRoom

    def __init__(self):
        super().__init__()
        self.search = Search()
        self.hsm = type(self).room(self.search)
        self.keys, self.typed, self.outputs = [], [], [b"", bytes(8), bytes(16)]
        self.exported = []
        self.brought = 0
        self.refusals = {}

    def is_a(self, key, usage):
        """Whether a key may pass as one of this usage."""
        return key.usage is usage or any({key.usage, usage} <= same for same in self.hsm.same_type)

    def take(self, usage, made):
        key = Key(usage, *made)
        self.search.key(f"a {usage}", key.clear)
        if not self.hsm.fits_by_chance(key.wrapped, key.clear):
            self.keys.append(key)

    def any_key(self, data, *usages):
        return data.draw(st.sampled_from([key for key in self.keys if not usages or key.usage in usages]))

    def any_output(self, data):
        """Something that was said, whole or eight bytes of it."""
        output = data.draw(st.sampled_from(self.outputs))
        at = data.draw(st.sampled_from((None, 0, 8, 16, 20)))
        return output if at is None else output[at : at + 8]

    @initialize()
    def a_key_of_each_usage(self):
        for usage, sizes in SIZES.items():
            for size in sizes:
                self.take(usage, self.hsm.ask(NewKey(usage, size)))
        if self.hsm.knows(PinFormat.ISO_4):
            self.take(Usage.ZPK, self.hsm.ask(NewKey(Usage.ZPK, 32, odd=False)))

    @rule(usage=st.sampled_from(Usage), size=st.sampled_from((0, 7, 8, 16, 24, 32)), odd=st.booleans())
    def new_key(self, usage, size, odd):
        try:
            made = self.hsm.ask(NewKey(usage, size, odd))
        except CryptoError:
            return
        self.take(usage, made)

    @rule(usage=st.sampled_from(Usage), size=st.sampled_from((8, 16, 24)))
    def bring_a_key(self, usage, size):
        """One that a bank sends: known to whoever brings it, and brought once."""
        self.brought += 1
        clear = bytes((self.brought * 37 + at * 101 + size) % 251 for at in range(size))
        try:
            self.take(usage, self.hsm.wrap(usage, clear))
        except CryptoError:
            return

    @precondition(lambda self: self.hsm.form_key)
    @rule(usage=st.sampled_from(Usage), count=st.integers(1, 3))
    def form_a_key(self, usage, count):
        try:
            made = self.hsm.form_key(usage, count)
        except CryptoError:
            assert count == 1
            return
        self.take(usage, made)

    @precondition(lambda self: self.hsm.check_value)
    @rule(data=st.data(), usage=st.sampled_from(Usage), own=st.booleans(), length=st.integers(0, 9))
    def check_value(self, data, usage, own, length):
        key = self.any_key(data)
        try:
            shown = self.hsm.check_value(key.usage if own else usage, key.wrapped, length)
        except CryptoError:
            return
        assert own or key.usage is usage, "a key is named as one of another usage"
        whole = kcv(key.clear, 8) if len(key.clear) in TDES.key_bytes else AES.cmac(key.clear, bytes(16))
        assert shown == whole[:length]
        self.outputs.append(shown)

    @rule(data=st.data(), usage=st.sampled_from(Usage), own=st.booleans(), how=st.sampled_from(HOW))
    def mac(self, data, usage, own, how):
        key, text = self.any_key(data), self.any_output(data)
        asked = key.usage if own else usage
        try:
            made = self.hsm.ask(Mac(asked, key.wrapped, how, text))
        except CryptoError:
            return
        assert key.usage is asked, "a MAC is made with a key of another usage"
        assert asked in (Usage.TAK, Usage.ZAK), "a MAC is made with a key that is for none"
        assert len(made) == 8
        assert self.hsm.ask(MacFits(asked, key.wrapped, how, text, made))
        assert not self.hsm.ask(MacFits(asked, key.wrapped, how, text, bytes(8)))
        self.outputs.append(made)

    @rule(data=st.data(), layout=st.sampled_from((*LAYOUTS, "002")), right=st.booleans())
    def sign_on(self, data, layout, right):
        wanted = (Usage.TMK, Usage.TPK, Usage.TAK, Usage.TDK)
        keys = [self.any_key(data, *((usage,) if right else ())) for usage in wanted]
        try:
            field = self.hsm.ask(SignOnKeys(layout, *(key.wrapped for key in keys)))
        except CryptoError:
            return
        named = LAYOUTS[layout]
        for key, usage in zip(keys, wanted[: 1 + len(named)], strict=False):
            assert self.is_a(key, usage), "a terminal gets a key that is for something else"
        got = open_working_keys(keys[0].clear, field)
        for slot, key in zip(named, keys[1:], strict=False):
            assert getattr(got, slot.name) == key.clear, "a terminal gets another key"
        self.outputs.append(field)

    @rule(data=st.data(), usage=st.sampled_from((*(Usage.ZPK, Usage.ZAK) * 3, *Usage)), right=st.booleans())
    def export(self, data, usage, right):
        zmk = self.any_key(data, *((Usage.ZMK,) if right else ()))
        key = self.any_key(data, *((usage,) if right else ()))
        try:
            moved, check = self.hsm.ask(ExportKey(zmk.wrapped, usage, key.wrapped))
        except CryptoError:
            due = right and usage in (Usage.ZPK, Usage.ZAK) and len(key.clear) in TDES.key_bytes
            assert not due, "a key of a zone does not leave for its bank"
            return
        assert zmk.usage is Usage.ZMK, "a key leaves under one that is no zone master key"
        assert key.usage is usage, "a key leaves as one of another usage"
        assert usage in (Usage.ZPK, Usage.ZAK), "a key leaves that is none of a zone"
        assert tdes_decrypt(zmk.clear, moved) == key.clear
        assert check == kcv(key.clear, 3)
        self.outputs.append(moved)
        self.exported.append((zmk, moved))

    @precondition(lambda self: self.exported and self.hsm.offers("import_cryptogram"))
    @rule()
    def import_what_was_exported(self):
        """A cryptogram does not say what it is for, so it comes back as everything that is allowed."""
        zmk, moved = self.exported.pop()
        for usage in Usage:
            try:
                wrapped = self.hsm.office("import_cryptogram", zmk.wrapped, usage, moved)
            except CryptoError:
                continue
            self.take(usage, (wrapped, tdes_decrypt(zmk.clear, moved)))

    def teardown(self):
        """At last, everything that was said is tried once more."""
        while self.exported and self.hsm.offers("import_cryptogram"):
            self.import_what_was_exported()
        self.open_with([key for key in self.keys if key.usage is Usage.TDK])

    @precondition(lambda self: self.hsm.offers("export_block"))
    @rule(data=st.data(), usage=st.sampled_from(Usage), right=st.booleans(), other=st.sampled_from(Usage))
    def send_a_key_block(self, data, usage, right, other):
        """It says what its key is for, and opens as nothing else."""
        zmk = self.any_key(data, *((Usage.ZMK,) if right else ()))
        key = self.any_key(data, *((usage,) if right else ()))
        try:
            block = self.hsm.office("export_block", zmk.wrapped, usage, key.wrapped, "x9.19")
        except CryptoError:
            return
        assert zmk.usage is Usage.ZMK, "a key leaves under one that is no zone master key"
        assert key.usage is usage, "a key leaves as one of another usage"
        try:
            _, wrapped = self.hsm.office("import_block", zmk.wrapped, other, "tdes", block)
        except CryptoError:
            assert other is not usage
            return
        masters = {other, usage} <= MASTERS  # K0 is all that a block says of them
        assert other is usage or masters, "a key comes back as one of another usage"
        self.take(other, (wrapped, key.clear))

    @rule(data=st.data(), right=st.booleans())
    def open_tracks(self, data, right):
        """With everything that was ever said, since it costs an attacker nothing."""
        self.open_with([self.any_key(data, *((Usage.TDK,) if right else ()))])

    def open_with(self, keys):
        for key, output in product(keys, self.outputs):
            for at in range(0, max(len(output), 1), 8):
                self.open_track(key, output[at : at + 8])

    def open_track(self, key, block):
        try:
            opened = self.hsm.ask(OpenTrack(key.wrapped, block))
        except CryptoError:
            return
        assert key.usage is Usage.TDK, "a track is opened with a key that is for something else"
        assert len(opened) == len(block) == 8, "a track is opened that is none"

    @rule(
        data=st.data(),
        format_=st.sampled_from(PinFormat),
        pan=st.sampled_from(PANS),
        pin=st.sampled_from(PINS),
        right=st.sampled_from((True, True, False)),
    )
    def type_a_pin(self, data, format_, pan, pin, right):
        key = self.any_key(data, *((Usage.TPK,) if right else ()))
        if len(key.clear) in cipher_of(format_).key_bytes:
            entropy = data.draw(st.randoms(use_true_random=False)).randbytes
            clear = encode(format_, pin, pan, entropy)
            self.search.pin(pin)
            self.search.block(clear)
            block = enciphered(format_, key.clear, clear, pan)
            self.typed.append(Typed(key, format_, pan, pin, clear, block))

    @precondition(lambda self: self.typed)
    @rule(
        data=st.data(),
        twist=st.sampled_from(TWISTS),
        pan=st.sampled_from(PANS),
        from_=st.sampled_from(PinFormat),
        to=st.sampled_from((*WITH_PAN, *PinFormat)),
    )
    def translate(self, data, twist, pan, from_, to):
        typed = data.draw(st.sampled_from(self.typed))
        block = typed.block
        if twist == "damage":
            at = data.draw(st.integers(0, len(block) - 1))
            block = block[:at] + bytes((block[at] ^ data.draw(st.integers(1, 255)),)) + block[at + 1 :]
        if twist == "cut":
            block = block[: data.draw(st.integers(0, len(block) - 1))]
        if twist == "foreign":
            block = self.any_output(data)
        pan, from_ = pan if twist == "PAN" else typed.pan, from_ if twist == "format" else typed.format
        zpk = self.any_key(data, Usage.ZPK)
        self.moved(typed, typed.key, zpk, typed.pan, typed.block, typed.format, to, "")
        if twist:  # and whatever that is, the next one goes its way
            self.moved(typed, typed.key, zpk, pan, block, from_, to, twist)
            self.moved(typed, typed.key, zpk, typed.pan, typed.block, typed.format, to, "")

    @precondition(lambda self: self.typed)
    @rule(
        data=st.data(),
        whose=st.sampled_from(("other", "other", "same", "both")),
        to=st.sampled_from(WITH_PAN),
    )
    def translate_with_wrong_keys(self, data, whose, to):
        typed = data.draw(st.sampled_from(self.typed))
        tpk = self.any_key(data) if whose == "both" else typed.key
        zpk = tpk if whose == "same" else self.any_key(data)
        self.moved(typed, tpk, zpk, typed.pan, typed.block, typed.format, to, "keys")

    def moved(self, typed, tpk, zpk, pan, block, from_, to, twist):
        """One translation, judged by what comes of it."""
        asked = TranslatePin(tpk.wrapped, zpk.wrapped, pan, block, from_, to)
        try:
            moved = self.hsm.ask(asked)
        except CryptoError:
            assert twist or not self.is_due(asked, tpk, zpk), "a good PIN is refused"
            return
        self.judge(asked, tpk, zpk, typed, moved)

    def is_due(self, asked, tpk, zpk):
        """Whether nothing is wrong with it."""
        return (
            (asked.from_, asked.to) in MOVES
            and (tpk.usage, zpk.usage) == (Usage.TPK, Usage.ZPK)
            and self.hsm.knows(asked.from_)
            and self.hsm.knows(asked.to)
            and len(zpk.clear) in cipher_of(asked.to).key_bytes
        )

    def judge(self, asked, tpk, zpk, typed, moved):
        """The issuer looks at what it got."""
        assert self.is_a(tpk, Usage.TPK), "a PIN is taken from a key that is for something else"
        assert self.is_a(zpk, Usage.ZPK), "a PIN goes to a key that is for something else"
        assert asked.to in WITH_PAN, "a PIN goes into a block that holds no PAN"
        assert (asked.from_, asked.to) in MOVES, "a PIN goes where the table does not let it"
        clear = decipher(asked.to, cipher_of(asked.to).decryptor(zpk.clear), moved, asked.pan)
        try:
            pin = decode(asked.to, clear, asked.pan)
        except CryptoError:
            raise AssertionError("the issuer cannot read what was translated") from None
        self.search.block(clear)
        untouched = asked.block == typed.block and tpk is typed.key
        if untouched and asked.from_ is typed.format and asked.pan == typed.pan:
            assert pin == typed.pin, "another PIN arrives"
        elif typed.format in WITH_PAN and typed.block == asked.block:
            assert pin != typed.pin or typed.fits(asked.pan), "a PIN verifies for another PAN"
        self.outputs.append(moved)

    @rule(data=st.data(), pan=st.sampled_from(PANS), way=st.sampled_from(sorted(MOVES)))
    def something_is_wrong_inside(self, data, pan, way):
        """Whatever it is, the answer is the same."""
        from_, to = way
        fitting = [
            [
                key
                for key in self.keys
                if key.usage is usage and len(key.clear) in cipher_of(format_).key_bytes
            ]
            for usage, format_ in ((Usage.TPK, from_), (Usage.ZPK, to))
        ]
        tpk, zpk = (data.draw(st.sampled_from(keys)) for keys in fitting)
        for fault in FAULTS:
            block = faulty(from_, tpk, pan, fault)
            try:
                self.hsm.ask(TranslatePin(tpk.wrapped, zpk.wrapped, pan, block, from_, to))
            except CryptoError as refusal:
                shown = type(refusal), spoken(refusal)
                assert self.refusals.setdefault(way, shown) == shown, "the refusal tells what is wrong inside"


def looked_through(room, examples, steps=40, **more):
    """Runs the machine against what `room` makes."""

    class Machine(Sequences):
        pass

    Machine.room = staticmethod(room)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            report_multiple_bugs=False,
            **more,
        ),
    )
