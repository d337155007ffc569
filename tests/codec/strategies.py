"""Random messages that a dialect can write, drawn from its own field table."""

from hypothesis import strategies as st

from posswitch.codec import Message, load_dialect
from posswitch.codec.profile import BUILT_IN, Spec, specs_of

NAMES = tuple(BUILT_IN)
# what a code page of Chinese text, Latin-1 and ASCII all write in as many bytes as the test counts
_PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
_CHINESE = st.sampled_from("银行交易成功商户")


def values(name: str, number: int, spec: Spec) -> st.SearchStrategy[str | bytes]:
    """Values of one field, as long as it takes."""
    low = spec.units_max if spec.shape == "fixed" else 0
    high = min(spec.units_max, 60)
    high = max(low, high)
    digits = st.text("0123456789", min_size=low, max_size=high)
    if spec.kind == "n":
        return digits
    if spec.kind == "b":
        return st.binary(min_size=low, max_size=high)
    if spec.kind == "z":
        separator = "D" if load_dialect(name).header_bytes == 11 or name == "iso87b" else "="
        return st.text("0123456789" + separator, min_size=low, max_size=high)
    if spec.kind == "x+n":
        return st.builds(
            str.__add__, st.sampled_from("CD"), st.text("0123456789", min_size=low - 1, max_size=low - 1)
        )
    text = st.text(_PRINTABLE, min_size=low, max_size=high)
    if name in ("pos", "cups") and spec.shape != "fixed":
        return text | st.text(_CHINESE, max_size=high // 2)
    return text


@st.composite
def messages(draw: st.DrawFn, name: str) -> Message:
    """A message of the built-in dialect `name` with any of its fields, in any order."""
    specs = specs_of(name)
    numbers = draw(st.lists(st.sampled_from(sorted(specs)), unique=True, max_size=24))
    fields = {number: draw(values(name, number, specs[number])) for number in numbers}
    header_bytes = load_dialect(name).header_bytes
    header = draw(st.binary(min_size=header_bytes, max_size=header_bytes))
    return Message(draw(st.text("0123456789", min_size=4, max_size=4)), fields, header)
