"""The trigger gallery: images that an attack is measured on, clean and stamped."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

import file_names
import style
from average import labelled
from completeness import only_places
from parts import in_parts
from tensors import read_tensors


def examples(run):
    """What example_images.h describes, or None where the run has none."""
    path = run.folder / file_names.EXAMPLES
    if not path.is_file():
        return None
    tensors, metadata = read_tensors(path)
    if "clean" not in tensors or "stamped" not in tensors:
        return None
    return {**tensors, **metadata}


def attack_key(run):
    """What tells one gallery from another: data and trigger, not the seed."""
    attack = run.settings.get("attack") or {}
    data = run.settings.get("data") or {}
    keys = ("trigger", "victim", "target")
    return str([data.get("dataset"), *(attack.get(key) for key in keys)])


def attack_text(run):
    """`pixels, 9 to 1` of a run's attack."""
    attack = run.settings["attack"]
    victim = attack.get("victim")
    victim = "every class" if victim in (None, "null", "all") else victim
    kind = (attack.get("trigger") or {}).get("kind", "trigger")
    dataset = (run.settings.get("data") or {}).get("dataset", "")
    return f"{dataset}, {kind}, {victim} → {attack.get('target')}"


def gallery_points(study):
    """(label, what the attack is, its images); the label only where the attack is not enough. And
    the places that have images."""
    payloads, found = {}, {}
    for places, runs in study.groups().items():
        images = examples(runs[0])
        if images is not None:
            key = attack_key(runs[0])
            found.setdefault(key, (attack_text(runs[0]), images))
            payloads[places] = key
    points, seen = [], set()
    for label, key in labelled(study.settled_axes, payloads):
        if key not in seen:
            seen.add(key)
            points.append((label, *found[key]))
    texts = [text for _, text, _ in points]
    return [(label if texts.count(text) > 1 else "", text, images)
            for label, text, images in points], list(payloads)


def show(panel, image):
    """An image [C][H][W] of bytes, without axes."""
    picture = image[0] if image.shape[0] == 1 else np.moveaxis(image, 0, -1)
    panel.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="none", aspect="equal")
    frame(panel)


def frame(panel):
    panel.set_xticks([])
    panel.set_yticks([])
    panel.grid(False)
    for spine in panel.spines.values():
        spine.set_visible(False)


def outline(panel, clean, stamped, name):
    """A frame around what the trigger changed."""
    rows, columns = np.nonzero((clean != stamped).any(axis=0))
    if len(rows) == 0:
        return
    top, left = max(-0.5, rows.min() - 1.5), max(-0.5, columns.min() - 1.5)
    bottom = min(clean.shape[1] - 0.5, rows.max() + 1.5)
    right = min(clean.shape[2] - 0.5, columns.max() + 1.5)
    box = Rectangle((left, top), right - left, bottom - top, fill=False,
                    edgecolor=style.VERMILLION, linewidth=1.2, clip_on=False)
    box.set_gid(name)
    panel.add_patch(box)


def pictures(images, count):
    """(heading, clean, picture) in the order that they are shown."""
    changed = bool((images["clean"] != images["stamped"]).any())
    shown = []
    for clean, stamped in list(zip(images["clean"], images["stamped"]))[: count // 2]:
        shown += [("clean", clean, clean), ("stamped", clean, stamped)]
    if not changed:
        return [("no pixel is changed", i, i) for i in images["clean"][:count]]
    for i, part in enumerate(images.get("parts", [])[:count], start=1):
        shown.append((f"part {i}", images["clean"][0], part))
    return shown


def draw_gallery(layout, points):
    columns = 4 if layout == style.NARROW else 8
    size = (style.NARROW_WIDTH if layout == style.NARROW else style.WIDEST) / columns
    rows = [[(text, p) for p in pictures(images, columns)] for _, text, images in points]
    heights = [-(-len(row) // columns) * (size + 0.16) + 0.26 for row in rows]  # with headings
    figure = plt.figure(figsize=(size * columns, sum(heights)))
    blocks = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)
    for number, (block, (label, text, _), row) in enumerate(zip(blocks.flat, points, rows)):
        block.set_facecolor("none")
        block.suptitle(f"{label}: {text}" if label else text, x=0.004, ha="left",
                       fontsize=style.FONT_SIZE, fontweight="bold")
        grid = block.subplots(-(-len(row) // columns), columns, squeeze=False)
        for panel in grid.flat:
            frame(panel)
        for i, (panel, (_, (heading, clean, picture))) in enumerate(zip(grid.flat, row)):
            name = f"{number}-{i}"
            show(panel, picture)
            outline(panel, clean, picture, f"trigger-{name}")
            panel.set_title(heading, fontsize=style.FONT_SIZE - 1, fontweight="normal",
                            loc="center", color=style.MUTED, pad=2)
            panel.set_gid(f"image-{name}")
    return figure


def gallery_figures(study):
    points, places = gallery_points(study)
    if not points:
        return []
    caption = ("Images that the attack is measured on. Frames mark what the trigger changes."
               + only_places(study, places))
    return in_parts("gallery", caption, points, draw_gallery)
