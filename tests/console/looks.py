"""What eyes would find wrong with a page, asked of the page itself."""

WIDTHS = ((1440, 900), (1280, 800), (390, 844))
SCHEMES = ("light", "dark")

# Everything that is wrong, a line each: too wide, small, faint, one over the other, cut, without a name.
_WRONG = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = (colour) => {
    const [r, g, b] = [...colour].slice(0, 3).map((one) => one / 255)
      .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = rgb(getComputedStyle(element).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return rgb("white");
  };
  const contrast = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const own = (element) => [...element.childNodes].filter((one) => one.nodeType === 3)
    .map((one) => one.textContent.trim()).join("");
  const called = (element) =>
    `${element.tagName.toLowerCase()}.${element.className} "${own(element).slice(0, 40)}"`;
  const sheet = document.querySelector(".sheet.open");
  const seen = (element) => element.checkVisibility({visibilityProperty: true})
    && (!sheet || sheet.contains(element));
  const texts = [...document.querySelectorAll(".page *")].filter((one) => own(one) && seen(one));
  const wrong = [];
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) wrong.push(`the page is ${wide} pixels too wide`);
  for (const one of texts) {
    const style = getComputedStyle(one), size = parseFloat(style.fontSize);
    if (size < 11) wrong.push(`small: ${called(one)}`);
    const large = size >= 24 || (size >= 18.6 && style.fontWeight >= 600);
    const ratio = contrast(rgb(style.color), ground(one));
    if (ratio < (large ? 3 : 4.5)) wrong.push(`faint (${ratio.toFixed(1)}): ${called(one)}`);
    const hides = style.overflowX === "hidden" && one.scrollWidth > one.clientWidth + 1;
    if (hides && !one.title) wrong.push(`cut: ${called(one)}`);
  }
  const within = (element, at) => {  // what of it is not hidden by the edges of others
    const [left, top, right, bottom] = [at.left, at.top, at.right, at.bottom];
    const shown = {left, top, right, bottom};
    for (let around = element; around; around = around.parentElement) {
      const style = getComputedStyle(around), edge = around.getBoundingClientRect();
      if (style.overflowX !== "visible") {
        shown.left = Math.max(shown.left, edge.left); shown.right = Math.min(shown.right, edge.right);
        shown.top = Math.max(shown.top, edge.top); shown.bottom = Math.min(shown.bottom, edge.bottom);
      }
    }
    return shown;
  };
  const rows = texts.flatMap((one) => {
    const range = document.createRange();
    const said = [...one.childNodes].filter((node) => node.nodeType === 3 && node.textContent.trim());
    return said.flatMap((node) => {
      range.selectNodeContents(node);
      return [...range.getClientRects()].map((at) => ({one, at: within(one, at)}));
    });
  });
  rows.forEach(({one, at}, place) => rows.slice(place + 1).forEach(({one: other, at: there}) => {
    const across = Math.min(at.right, there.right) - Math.max(at.left, there.left);
    const down = Math.min(at.bottom, there.bottom) - Math.max(at.top, there.top);
    if (one === other || across <= 2 || down <= 5) return;
    wrong.push(`over each other: ${called(one)}, ${called(other)}`);
  }));
  for (const one of document.querySelectorAll(".page :is(button, a, input, textarea, [role=dialog])")) {
    if (!one.checkVisibility({visibilityProperty: true})) continue;
    const label = [one.labels?.[0]?.textContent, one.getAttribute("aria-label"), one.textContent, one.title];
    if (!label.some((words) => words?.trim())) wrong.push(`without a name: ${called(one)}`);
  }
  return [...new Set(wrong)];
}"""

# The element that has the focus, and whether it shows.
_FOCUS = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const shows = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1.5;
  return [`${one.tagName} ${one.className} ${one.textContent.slice(0, 30)}`, shows];
}"""


def wrong_with(page):
    """What is wrong in every size and scheme, with both before each line."""
    found = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        for width, height in WIDTHS:
            page.set_viewport_size({"width": width, "height": height})
            found += [f"{scheme} {width}: {line}" for line in page.evaluate(_WRONG)]
    return found


def hidden_focus(page, most=200):
    """Walks through the page by the keyboard: what does not show that it has the focus; how many had it."""
    seen, hidden = [], []
    page.evaluate("document.activeElement.blur()")
    for _ in range(most):
        page.keyboard.press("Tab")
        name, shows = page.evaluate(_FOCUS)
        if name.startswith("BODY"):
            break
        seen.append(name)
        if not shows:
            hidden.append(name)
    return hidden, len(seen)
