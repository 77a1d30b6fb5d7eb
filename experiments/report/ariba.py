"""What ARIBA saw: scores of clients, and the fragments that it searched for outliers."""

import re

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

import file_names
import style
from average import labelled
from completeness import axis_place, only_places
from curves import counted_repetitions
from figure import slug
from parts import columns_of, in_parts
from tensors import read_tensors

BENIGN = {"color": style.BLUE, "marker": "o", "linestyle": ""}
ATTACKER = {"color": style.VERMILLION, "marker": "^", "linestyle": ""}
UNKNOWN = {"color": style.MUTED, "marker": "o", "linestyle": ""}


# Scores.


def scored_round(run):
    """The last round in which ARIBA scored clients, or None. Other rules' scores count no
    fragments."""
    rounds = [line for line in run.rounds() if "client_scores" in line and "fragments" in line]
    return rounds[-1] if rounds else None


def ranked(record):
    """Clients by score, highest first: (id, share of its fragments marked, whether it attacked or
    None where that is not known)."""
    attackers = record.get("attackers")
    clients = [
        (client, score / record["fragments"], None if attackers is None else client in attackers)
        for client, score in zip(record["scored_clients"], record["client_scores"])
    ]
    return sorted(clients, key=lambda client: -client[1])


def left_out(record):
    return record.get("removed_attackers", 0) + record.get("removed_benign", 0)


def draw_ranks(panel, records, name):
    """All repetitions in one panel; those that the rule left out stand in the shade."""
    for look, kind, wanted in ((BENIGN, "benign", False), (ATTACKER, "attackers", True),
                               (UNKNOWN, "clients", None)):
        x, y = [], []
        for record in records:
            for rank, (_, share, attacked) in enumerate(ranked(record), start=1):
                if attacked is wanted:
                    x.append(rank)
                    y.append(share)
        if x:
            (points,) = panel.plot(x, y, **look, markersize=5.5, alpha=0.85, markeredgewidth=0)
            points.set_gid(f"scores-{kind}-{name}")
    edge = max(left_out(record) for record in records)
    panel.axvspan(0.4, edge + 0.5, color=style.MUTED, alpha=0.13, linewidth=0)
    panel.set_xlim(0.4, max(len(r["client_scores"]) for r in records) + 0.6)
    style.percent_axis(panel.yaxis)
    panel.set_xlabel("clients by score")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    if len(records) == 1 and len(records[0]["client_scores"]) <= 16:
        panel.set_xticks(range(1, len(records[0]["client_scores"]) + 1),
                         [str(client) for client, _, _ in ranked(records[0])])
        panel.set_xlabel("client")


def draw_scores(layout, points):
    alone = len(points) == 1
    figure, axes = style.panels(layout, len(points), width=6.4 if alone else 3.2,
                                height=2.8 if alone else 2.2, columns=columns_of(points),
                                sharey=True)
    for panel, (label, records) in zip(axes, points):
        draw_ranks(panel, records, slug(label))
        if label:
            style.title(panel, figure, label)
    axes[0].set_ylim(bottom=0)  # of all panels, after the last has its points
    figure.supylabel("fragments marked", fontsize=style.FONT_SIZE)
    known = any("attackers" in record for _, records in points for record in records)
    looks = [(UNKNOWN, "clients")]
    if known:
        looks = [(ATTACKER, "attackers"), (BENIGN, "other clients")]
    shade = Line2D([], [], color=style.MUTED, alpha=0.2, linewidth=8)
    style.legend_above(figure, [Line2D([], [], **look) for look, _ in looks] + [shade],
                       [text for _, text in looks] + ["left out"])
    return figure


def score_figures(study):
    payloads = {}
    for places, runs in study.groups().items():
        records = [record for record in map(scored_round, runs) if record is not None]
        if records:
            payloads[places] = records
    points = labelled(study.settled_axes, payloads)
    if not points:
        return []
    seeds = ""
    last = [record for records in payloads.values() for record in records]
    if any(record.get("attackers") == [] for record in last):
        seeds = " Where no attacker is marked, nobody attacked in that round."
    if study.counts_so_far()[-1] > 1:
        seeds += f" A panel holds {counted_repetitions(study)}."
    caption = ("Share of each client's fragments that ARIBA marked, in the last round that it "
               f"scored.{seeds}{only_places(study, payloads)}")
    return in_parts("scores", caption, points, draw_scores)


# Fragments.


def exported(run):
    """layer -> (round, {client: fragments [m][size]}), of the last round whose fragments were
    exported."""
    files = {}
    for path in run.folder.glob(file_names.ROUND_TENSORS):
        number = re.fullmatch(r"round-(\d+)", path.stem)
        if number:
            files[int(number.group(1))] = path
    if not files:
        return {}
    number = max(files)
    layers = {}
    for name, fragments in read_tensors(files[number])[0].items():
        layer, _, client = name.rpartition(".client")
        if client.isdigit() and fragments.ndim == 2:
            layer = layer.removesuffix(".weight")
            layers.setdefault(layer, (number, {}))[1][int(client)] = fragments
    return layers


def principal_components(clients):
    """The first two principal components of all clients' fragments: {client: [m][2]} and the shares
    of the variance."""
    pooled = np.concatenate(list(clients.values())).astype(float)
    mean = pooled.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(pooled - mean, rowvar=False).reshape(
        pooled.shape[1], pooled.shape[1]))
    first = directions[:, ::-1][:, :2]
    if first.shape[1] < 2:  # fragments of one number have one component
        first = np.pad(first, ((0, 0), (0, 1)))
    total = variances.sum()
    shares = [*(variances[::-1][:2] / total if total > 0 else (0, 0)), 0][:2]
    return {client: (f - mean) @ first for client, f in clients.items()}, shares


def fragment_points(study):
    """(label, attackers, layer, fragments by client) of the first repetition of each point that has
    them, the places of these, and the repetitions."""
    payloads, repetitions = {}, set()
    for places, runs in study.groups().items():
        for layer, (number, clients) in exported(runs[0]).items():
            record = next((r for r in runs[0].rounds() if r["round"] == number), {})
            payloads[(*places, layer)] = (record.get("attackers"), layer, clients)
            if study.repeated:
                repetitions.add(study.repetition_of(runs[0]))
    labels = labelled([*study.settled_axes, "layer"], {key: key for key in payloads})
    points = [(label, *payloads[key]) for label, key in labels]
    return points, [key[:-1] for key in payloads], repetitions


def draw_cloud(panel, label, attackers, layer, clients):
    projections, shares = principal_components(clients)
    many = sum(len(p) for p in projections.values()) > 4000
    for look, kind, wanted in ((BENIGN, "benign", False), (ATTACKER, "attackers", True),
                               (UNKNOWN, "clients", None)):
        chosen = [p for client, p in projections.items()
                  if (None if attackers is None else client in attackers) is wanted]
        if not chosen:
            continue
        xy = np.concatenate(chosen)
        cloud = panel.scatter(xy[:, 0], xy[:, 1], s=13 if wanted else 8, marker=look["marker"],
                              color=look["color"], alpha=0.7, linewidths=0, rasterized=many)
        cloud.set_gid(f"fragments-{kind}-{slug(label)}")
    panel.set_xlabel(f"1st component, {100 * shares[0]:.0f} % of the variance")
    panel.set_ylabel(f"2nd component, {100 * shares[1]:.0f} %")
    panel.xaxis.set_major_locator(style.few_ticks())
    panel.yaxis.set_major_locator(style.few_ticks())


def draw_fragments(layout, points):
    alone = len(points) == 1
    figure, axes = style.panels(layout, len(points), width=5.2 if alone else 3.2,
                                height=4.0 if alone else 2.9, columns=columns_of(points))
    for panel, (label, attackers, layer, clients) in zip(axes, points):
        draw_cloud(panel, label, attackers, layer, clients)
        style.title(panel, figure, label or layer)
    known = any(attackers is not None for _, attackers, _, _ in points)
    looks = ([(ATTACKER, "attackers' fragments"), (BENIGN, "other clients' fragments")] if known
             else [(UNKNOWN, "fragments")])
    style.legend_above(figure, [Line2D([], [], **look) for look, _ in looks],
                       [text for _, text in looks])
    return figure


def fragment_figures(study):
    points, places, repetitions = fragment_points(study)
    if not points:
        return []
    seed = f", of each point's first {study.repeated}" if repetitions else ""
    if len(repetitions) == 1:
        seed = f", of {axis_place(study.repeated, *repetitions)}"
    caption = ("First two principal components of the fragments of the clients' updates, less the "
               f"mean over the clients{seed}.{only_places(study, places)}")
    return in_parts("fragments", caption, points, draw_fragments)
