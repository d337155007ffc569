"""What a drill is called, before anybody knows where it will be."""

from posswitch.diagnose.observed import finished
from posswitch.diagnose.phrases import LANGS, fill, kind_of
from posswitch.sim.drills.drill import Drill

# Of each dimension: the place, and the line there, in Chinese and English.
_SOME = {
    "bank": (("一家银行", "a bank"), ("一家银行的线路", "line to a bank")),
    "link": (("一条银行线路", "one link of a bank"), ("一条银行线路", "line to a bank")),
    "bin": (("一段卡号", "one BIN"), ("一家银行的线路", "line to a bank")),
    "merchant": (("一家商户", "a merchant"), ("一家商户的线路", "line to a merchant")),
    "terminal": (("一台终端", "a terminal"), ("一台终端的线路", "line to a terminal")),
    "model": (("一个机型", "one model"), ("线路", "line")),
    "region": (("一个地区", "a region"), ("一个地区的线路", "line to a region")),
    "": (("全中心", "everywhere"), ("线路", "line")),
}


def title_of(drill: Drill, lang: str) -> str:
    """Its kind at some place, as a noun; with the variant behind it."""
    at = LANGS.index(lang)
    dim = drill.where[0] if drill.where else ""
    place, line = (words[at] for words in _SOME[dim])
    slots = {
        "place": place,
        "at": f"at {place}" if lang == "en" else place,
        "line": line,
        "some": place if dim else "",
        "there": (f"at {place}" if lang == "en" else place) if dim else "",
    }
    said = finished(fill(kind_of(drill.kind).say("title", lang), slots), lang)
    variant = drill.name.partition("+")[2]
    return f"{said} ({variant})" if variant else said
