"""How figures look: one palette, one font, two layouts, and how they are saved.

Colours are those of Okabe and Ito, told apart by readers with any kind of colour vision. Every
colour that a figure uses is a token below; in the page each token becomes a CSS variable, so that
one drawing serves a light and a dark page.
"""

import io
import math
import re
import textwrap

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib import font_manager  # noqa: E402
from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: E402

INK, MUTED, GRID = "#1f2328", "#59636e", "#dde1e6"
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
)
TOKENS = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    BLUE: "blue",
    VERMILLION: "vermillion",
    GREEN: "green",
    PURPLE: "purple",
    ORANGE: "orange",
    SKY: "sky",
}
# The same on a dark page, as page.css has them, for what CSS cannot colour: images.
ON_DARK = {
    MUTED: "#9aa4af",
    BLUE: "#4a9fdb",
    VERMILLION: "#f07f3c",
}
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
DASHES = ("-", (0, (5, 1.6)), (0, (1.4, 1.2)), (0, (5, 1.4, 1.4, 1.4)), "-", (0, (5, 1.6)))
MARKERS = ("o", "s", "^", "D", "v", "P")

ACCURACY = {"color": BLUE, "linestyle": "-", "marker": "o"}
SUCCESS = {"color": VERMILLION, "linestyle": (0, (5, 1.6)), "marker": "^"}
METRIC_STYLE = {"accuracy": ACCURACY, "attack_success_rate": SUCCESS}


def look_of(metric):
    """A metric's colour, line and mark; those of any other are alike."""
    other = {"color": PURPLE, "linestyle": DASHES[3], "marker": "D"}
    return METRIC_STYLE.get(metric, other)


FONT_SIZE = 9  # points: 12 pixels of CSS
WIDE, NARROW = "wide", "narrow"
WIDEST, NARROW_WIDTH = 9.6, 3.3  # inches of 96 pixels of CSS
IMAGE_DPI = 192  # of what is drawn as an image within a drawing


def set_defaults():
    installed = {font.name for font in font_manager.fontManager.ttflist}
    fonts = [n for n in ("Liberation Sans", "Arial", "Helvetica", "DejaVu Sans") if n in installed]
    matplotlib.rcParams.update(
        {
            "font.family": "sans-serif",
            "font.sans-serif": fonts,
            "font.size": FONT_SIZE,
            "axes.titlesize": FONT_SIZE,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.titlecolor": INK,
            "axes.labelsize": FONT_SIZE,
            "axes.labelcolor": INK,
            "axes.edgecolor": MUTED,
            "axes.linewidth": 0.7,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.facecolor": "none",
            "figure.facecolor": "none",
            "savefig.facecolor": "none",
            "grid.color": GRID,
            "grid.linewidth": 0.7,
            "text.color": INK,
            "xtick.color": MUTED,
            "ytick.color": MUTED,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "xtick.labelsize": FONT_SIZE - 0.5,
            "ytick.labelsize": FONT_SIZE - 0.5,
            "legend.fontsize": FONT_SIZE,
            "legend.frameon": False,
            "lines.linewidth": 1.6,
            "lines.markersize": 4.2,
            "text.parse_math": False,  # a label's $ is a dollar
            "svg.fonttype": "none",
            "svg.hashsalt": "redoubt",
            "figure.constrained_layout.use": True,
            "figure.constrained_layout.wspace": 0.05,
            "figure.constrained_layout.hspace": 0.06,
        }
    )


def wrapped(text, inches):
    """A title's lines within a width: a letter is half as wide as it is high, or a bit more."""
    return "\n".join(textwrap.wrap(text, max(12, int(inches * 72 / (0.56 * FONT_SIZE))))) or text


def panels(layout, count, *, columns=3, width=3.2, height=2.3, **options):
    """A figure of `count` axes in as many columns as the layout allows; options: sharex, sharey."""
    columns = 1 if layout == NARROW else min(columns, count)
    rows = math.ceil(count / columns)
    total = NARROW_WIDTH if layout == NARROW else min(WIDEST, columns * width)
    figure, grid = plt.subplots(
        rows, columns, squeeze=False, figsize=(total, rows * height), **options
    )
    axes = list(grid.flat)
    for unused in axes[count:]:
        unused.set_visible(False)
    for i, panel in enumerate(axes[:count]):
        panel.patch.set_gid(f"plot-area-{i}")
        if i + columns >= count:  # the lowest of its column
            panel.tick_params(labelbottom=True)
        elif options.get("sharex"):
            panel.xaxis.label.set_visible(False)
    return figure, axes[:count]


def title(panel, figure, text):
    """A panel's title, in lines that fit."""
    columns = panel.get_gridspec().ncols
    panel.set_title(wrapped(text, figure.get_figwidth() / columns - 0.5))


def percent_axis(axis):
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))


def rate_range(panel, low=0.0, high=1.0):
    """From `low` to `high` with room for the marks at both ends."""
    room = 0.04 * (high - low)
    panel.set_ylim(low - room, high + room)
    percent_axis(panel.yaxis)


def few_ticks():
    return MaxNLocator(nbins=5)


def legend_above(figure, handles, labels):
    """A legend above all panels, where no data is."""
    total = figure.get_figwidth() * 72
    entry = 40 + 0.56 * FONT_SIZE * max(len(label) for label in labels)
    legend = figure.legend(
        handles,
        [str(i) for i in range(len(labels))],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncol=max(1, min(len(labels), int(total / entry))),
        borderaxespad=0.2,
        handlelength=2.6,
        columnspacing=1.6,
    )
    for text, label in zip(legend.get_texts(), labels):
        text.set_text(label)  # not as it is made: that leaves out labels that start with _


def settle(figure):
    """Lays the figure out, once for all times that it is saved; returns its box in inches."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure.get_tightbbox().padded(0.05)


def svg_text(figure, box):
    """The figure as an SVG file."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", bbox_inches=box, metadata={"Date": None}, dpi=IMAGE_DPI)
    return stream.getvalue()


def for_both_schemes(figure, box, svg):
    """The SVG file of a figure that has its images twice, for a light and for a dark page, which
    CSS chooses from. The figure keeps the dark colours."""
    clouds = figure.findobj(lambda artist: artist.get_rasterized())
    if not clouds:
        return svg
    for cloud in clouds:
        cloud.set_color(ON_DARK[matplotlib.colors.to_hex(cloud.get_facecolor()[0])])
    dark = iter(re.findall(r"<image [^>]*>", svg_text(figure, box)))

    def both(match):
        other = re.sub(r' id="[^"]*"', "", next(dark))
        return (match[0].replace("<image ", '<image class="on-light" ', 1)
                + other.replace("<image ", '<image class="on-dark" ', 1))

    return re.sub(r"<image [^>]*>", both, svg)


def inline(svg, name, layout):
    """An SVG file's drawing for the page, without prologue and metadata: colours become the page's,
    the font its font, ids its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour, token in TOKENS.items():
        svg = re.sub(colour, f"var(--{token})", svg, flags=re.IGNORECASE)
    svg = re.sub(r"font: ([^'\";]*px) [^;\"]*", r"font: \1 var(--font)", svg)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg)
    prefix = f"{name}-{layout}-"
    svg = re.sub(r' id="', f' id="{prefix}', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}", svg)
    svg = re.sub(r'href="#', f'href="#{prefix}', svg)
    return svg.replace("<svg", f'<svg class="{layout}" role="img" focusable="false"', 1)


def png_bytes(figure, box):
    """On white."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", bbox_inches=box, dpi=200, facecolor="white")
    return stream.getvalue()
