"""A figure of the page, drawn once for each layout."""

import re
from dataclasses import dataclass
from html import escape
from typing import Callable

import matplotlib.pyplot as plt

import style


def slug(text):
    """A name for files and ids."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-").lower() or "all"


@dataclass
class Figure:
    """`draw(layout)` returns a matplotlib figure."""

    kind: str
    caption: str
    draw: Callable

    def html(self, prefix, output):
        """Adds NAME.svg and NAME.png to the output and returns the <figure> that holds both
        layouts."""
        name = f"{prefix}-{self.kind}"
        drawings = ""
        for layout in (style.WIDE, style.NARROW):
            figure = self.draw(layout)
            box = style.settle(figure)
            svg = style.svg_text(figure, box)
            if layout == style.WIDE:
                output.add(f"{name}.svg", svg.encode("utf-8"))
                output.add(f"{name}.png", style.png_bytes(figure, box))
            drawings += style.inline(style.for_both_schemes(figure, box, svg), name, layout)
            plt.close(figure)
        files = (f'<span class="files"><a href="{name}.svg">SVG</a> '
                 f'<a href="{name}.png">PNG</a></span>')
        return (
            f'<figure class="drawing" id="{name}" aria-label="{escape(self.caption)}">{drawings}'
            f"<figcaption>{escape(self.caption)} {files}</figcaption></figure>"
        )
