"""Metrics along an axis of the sweep whose places are numbers, the paper's figures beside ours."""

from matplotlib.lines import Line2D

import style
from average import average, is_number, label_of, name_of, rows_at
from completeness import only_places
from curves import counted_repetitions
from figure import slug
from parts import in_parts
from vocabulary import is_share

MOST_COMPARED = len(style.SERIES)


def draw_axis(layout, study, stage, lines):
    paper = study.paper
    figure, axes = style.panels(layout, len(paper.metrics), columns=2, width=4.4, height=2.8)
    handles = []
    numbers = sorted((place for place in study.places(paper.x) if is_number(place)), key=float)
    for panel, metric in zip(axes, paper.metrics):
        for i, (label, at) in enumerate(lines):
            look = {"color": style.SERIES[i % MOST_COMPARED],
                    "linestyle": style.DASHES[i % MOST_COMPARED],
                    "marker": style.MARKERS[i % MOST_COMPARED]}
            if metric == paper.metrics[0]:
                handles.append(Line2D([], [], **look))
            draw_axis_line(panel, study, stage, metric, numbers, at, look, slug(label))
        if is_share(metric):
            style.rate_range(panel)
        else:
            panel.set_ylim(bottom=-0.04 * panel.get_ylim()[1])
        style.title(panel, figure, name_of(metric).capitalize())
        panel.set_xlabel(paper.x.split(".")[-1].replace("_", " "))
    labels = [label or "ours" for label, _ in lines]
    if any(p.stage == stage and paper.x in dict(p.at) for p in paper.published):
        handles.append(Line2D([], [], color=style.INK, marker="o", linestyle="", markersize=6.5,
                              markerfacecolor="none"))
        labels.append("as published")
    style.legend_above(figure, handles, labels)
    return figure


def draw_axis_line(panel, study, stage, metric, numbers, at, look, name):
    rows = rows_at(study.results, at)
    rows = rows[rows["stage"] == stage]
    places = {number: average(rows_at(rows, {study.paper.x: number}), metric, study.repeated)
              for number in numbers}
    known = {float(number): a for number, a in places.items() if a is not None}
    if known:
        (line,) = panel.plot(list(known), [a.mean for a in known.values()], **look)
        line.set_gid(f"series-{metric}-{name}")
        panel.errorbar(list(known), [a.mean for a in known.values()],
                       yerr=[a.deviation or 0 for a in known.values()], fmt="none",
                       ecolor=look["color"], elinewidth=1, capsize=2)
    for number in numbers:
        published = study.paper.value({**at, study.paper.x: number}, stage, metric)
        if published is not None:
            panel.plot([float(number)], [published], marker=look["marker"], color=look["color"],
                       markersize=6.5, markerfacecolor="none", linestyle="")


def lines_of(study):
    """(label, places) of the points but for where they are along x."""
    lines = {}
    for places in study.groups():
        at = {a: p for a, p in zip(study.settled_axes, places) if a != study.paper.x}
        telling_places = {a: p for a, p in at.items() if len(study.places(a)) > 1}
        lines[tuple(at.items())] = (label_of(telling_places), at)
    return list(lines.values())


def axis_figures(study):
    """A figure a stage, or several where there are more lines than a figure holds."""
    if study.paper.x is None:
        return []
    figures = []
    lines = lines_of(study)
    for stage in filter(study.paper.shows, dict.fromkeys(study.results["stage"])):
        caption = f"After {name_of(stage)}, along {study.paper.x}. "
        caption += (f"Marks are means over {counted_repetitions(study)}, bars one deviation."
                    if study.counts_so_far()[-1] > 1 else "One run each.")
        caption += only_places(study, study.groups())
        figures += in_parts(
            f"axis-{slug(stage)}", caption, lines,
            lambda layout, part, stage=stage: draw_axis(layout, study, stage, part), MOST_COMPARED)
    return figures
