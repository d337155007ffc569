"""What a browser sees before it is let in: one plain sentence, no scripts, nothing of the centre."""

from html import escape

from posswitch.console.words import LANGUAGES, saying

_PAGE = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">{more}
<title>posswitch</title><style>
body {{ margin: 0; min-height: 100vh; display: grid; place-content: center; background: #f3f2ed;
color: #17211e; font: 17px/1.6 "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", system-ui, sans-serif }}
main {{ max-width: 34em; padding: 2em; border-left: 3px solid #0a6b5b }}
p {{ margin: .3em 0 }} .other {{ color: #5c6763; font-size: 14px }}
@media (prefers-color-scheme: dark) {{
body {{ background: #0f1413; color: #e5eae7 }} .other {{ color: #9aa5a0 }} }}
</style></head><body><main><p>{first}</p><p class="other">{second}</p></main></body></html>
"""
_ON = '<meta http-equiv="refresh" content="0;url=/">'


def page_of(why: str, lang: str) -> str:
    """The page of a row `door.…` of the words; the reader's language first."""
    first, second = sorted(LANGUAGES, key=lambda one: one != lang)
    said = [escape(saying(one)(f"door.{why}")) for one in (first, second)]
    return _PAGE.format(lang=lang, more=_ON if why == "welcome" else "", first=said[0], second=said[1])


PLAIN = " / ".join(saying(lang)("door.no-session") for lang in LANGUAGES)
