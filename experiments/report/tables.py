"""The tables of a page, as HTML: ours beside the paper's."""

from html import escape

from average import average, name_of, number_text, rows_at
from completeness import axis_place, coverage
from vocabulary import is_share

DASH = "–"
POINTS = "points"  # heads the column that tells of how many points a row is the mean
NUMBER = ' class="number"'
LEVELS = (0.01, 0.03, 0.10)  # of a difference between rates, for its colour


def deviation_text(value, metric):
    return number_text(value, metric) if is_share(metric) else f"{float(f'{value:.2g}'):g}"


def signed(value, metric):
    text = number_text(abs(value), metric)
    return text if float(text) == 0 else ("+" if value > 0 else "−") + text


def difference_class(value, metric):
    """Colour by direction and size; only rates have sizes that mean the same everywhere."""
    if not is_share(metric) or float(number_text(abs(value), metric)) == 0:
        return "difference"
    level = sum(abs(value) >= bound for bound in LEVELS)
    return f"difference {'above' if value > 0 else 'below'}-{level}"


def cell(kind, metric, value, text, css="number"):
    """A table's cell; the exact value is its title."""
    exact = "" if value is None else f' title="{value:.6g}"'
    return f'<td class="{css}" data-kind="{kind}" data-metric="{metric}"{exact}>{text}</td>'


def our_cells(ours, metric, count):
    """Of a row over `count` repetitions. A figure that only some of them have says of how many it is:
    where a defense found nothing to do, there is none."""
    if ours is None:
        return cell("ours", metric, None, DASH) + cell("deviation", metric, None, "", "deviation")
    deviation = ""
    if ours.deviation is not None:
        deviation = f"± {deviation_text(ours.deviation, metric)}"
    if ours.count != count:
        deviation = f"{deviation} (n {ours.count})".strip()
    return cell("ours", metric, ours.mean, number_text(ours.mean, metric)) + cell(
        "deviation", metric, ours.deviation, deviation, "deviation"
    )


def paper_cells(ours, published, metric, comparable):
    """The paper's figure and the difference, if `ours` is the mean of the same places."""
    if published is None:
        return cell("paper", metric, None, DASH) + cell("difference", metric, None, DASH)
    cells = cell("paper", metric, published, number_text(published, metric))
    if ours is None or not comparable:
        return cells + cell("difference", metric, None, DASH)
    difference = ours.mean - published
    css = f"number {difference_class(difference, metric)}"
    return cells + cell("difference", metric, difference, signed(difference, metric), css)


def unit(metric):
    return ", %" if is_share(metric) else ""


def head(titles, metrics, with_paper):
    """What identifies a row, then each metric over its columns, which have titles of their own
    where the paper's stand among them."""
    span, lines = (4, 2) if with_paper else (2, 1)
    first = "".join(
        f'<th rowspan="{lines}" scope="col"{NUMBER if title == POINTS else ""}>{escape(title)}</th>'
        for title in titles)
    first += f'<th rowspan="{lines}" scope="col" class="number">n</th>'
    second = ""
    for metric in metrics:
        name = escape(name_of(metric) + unit(metric))
        first += f'<th colspan="{span}" scope="colgroup" class="metric">{name}</th>'
        second += '<th colspan="2" scope="col" class="number ours">ours</th>'
        second += '<th scope="col" class="number">paper</th>'
        second += '<th scope="col" class="number">difference</th>'
    return f"<thead><tr>{first}</tr>{f'<tr>{second}</tr>' if with_paper else ''}</thead>"


def spanning(places, span):
    """Places that hold for `span` rows."""
    return "".join(
        f'<th scope="rowgroup" rowspan="{span}">{escape(place)}</th>' for place in places
    )


class ResultsTable:
    """Rows of one table: a point's stages together, or the points of one place of the first axis
    where there is one stage."""

    def __init__(self, study, axes, metrics, with_paper):
        self.study = study
        self.axes = axes
        self.metrics = metrics
        self.with_paper = with_paper
        self.points = []
        self.stages = list(dict.fromkeys(filter(study.paper.shows, study.results["stage"])))

    def add(self, at, rows):
        """The point at these places, a map of axes."""
        rows = rows[rows["stage"].isin(self.stages)]
        if not rows.empty:
            self.points.append((at, rows))

    def names_stages(self):
        """Whether rows say their stage: where there are several, or nothing else to say."""
        return len(self.stages) > 1 or not self.axes or self.stages != ["training"]

    def bodies(self):
        grouped = len(self.stages) == 1 and len(self.axes) > 1
        groups = {}
        for at, rows in self.points:
            key = at[self.axes[0]] if grouped else tuple(at.items())
            groups.setdefault(key, []).append((at, rows))
        split = self.axes[:1] if grouped else self.axes
        return "".join(f"<tbody>{self.body(group, split)}</tbody>" for group in groups.values())

    def body(self, group, shared):
        """The rows of a group of points; `shared` are the axes on which they stand together."""
        lines = [(at, stage, rows[rows["stage"] == stage]) for at, rows in group
                 for stage in dict.fromkeys(rows["stage"])]
        html = ""
        for i, (at, stage, rows) in enumerate(lines):
            heads = spanning([at[axis] for axis in shared], len(lines)) if i == 0 else ""
            own = [at[axis] for axis in self.axes if axis not in shared]
            heads += "".join(f'<th scope="row">{escape(place)}</th>' for place in own)
            html += self.row(at, stage, rows, heads)
        return html

    def row(self, at, stage, rows, heads):
        over = self.coverage(at, stage)
        rows = rows if over is None else over.rows
        averages = [average(rows, metric, self.study.repeated) for metric in self.metrics]
        point = escape(",".join(f"{axis}={place}" for axis, place in at.items()))
        html = f'<tr data-point="{point}" data-stage="{escape(stage)}">{heads}'
        if self.names_stages():
            html += f'<th scope="row" class="stage">{escape(name_of(stage))}</th>'
        if over is not None:
            html += counted_cell(POINTS, over.covered, over.expected)
        count = max([a.count for a in averages if a is not None], default=0)
        html += counted_cell("n", count, self.study.repetitions())
        comparable = over is None or over.whole
        for metric, ours in zip(self.metrics, averages):
            html += our_cells(ours, metric, count)
            if self.with_paper:
                published = self.study.paper.value(at, stage, metric)
                html += paper_cells(ours, published, metric, comparable)
        return html + "</tr>"

    def coverage(self, at, stage):
        """What a row is the mean of, in a table of means over settled axes; else None."""
        return None

    def titles(self):
        titles = [axis.split(".")[-1].replace("_", " ") for axis in self.axes]
        return [*titles, "stage"] if self.names_stages() else titles

    def html(self, name, caption):
        return figure_of_table(name, caption, head(self.titles(), self.metrics, self.with_paper),
                               self.bodies())


class AverageTable(ResultsTable):
    """A table of means over settled axes; rows tell of how many points."""

    def coverage(self, at, stage):
        return coverage(self.study, at, stage)

    def titles(self):
        return [*super().titles(), POINTS]

    def partial(self):
        """What is to be said of means that are not over all that the paper's are over."""
        rows = [(at, stage, self.coverage(at, stage)) for at, points in self.points
                for stage in dict.fromkeys(points["stage"])]
        texts = []
        if any(not over.whole for _, _, over in rows):
            texts.append("The paper's means are over all points; where ours is over some of them, "
                         "no difference is given.")
        texts += (
            f"The mean {where_text(at, stage)} leaves out "
            f"{axis_place(self.study.repeated, repetition)}, which has {there} of {over.expected} "
            "points."
            for at, stage, over in rows for repetition, there in over.left_out)
        return texts


def where_text(at, stage):
    places = "".join(f", {axis_place(axis, place)}" for axis, place in at.items())
    return f"of {name_of(stage)}{places}"


def counted_cell(kind, count, whole):
    """`2`, or `2 of 3` where that is not all."""
    text = str(count) if count == whole else f"{count} of {whole}"
    return f'<td class="number" data-kind="{kind}">{text}</td>'


def figure_of_table(name, caption, head_html, bodies):
    return (
        f'<figure class="table" id="{name}"><figcaption>{escape(caption)}</figcaption>'
        f'<div class="scroll" tabindex="0"><table>{head_html}{bodies}</table></div></figure>'
    )


def averaged_tables(study, prefix):
    """Ours averaged as far as the paper's figures are, where those leave out some settled axis. One
    table a set of axes, with the stages that figures are published for."""
    partial = {}
    for published in study.paper.published:
        if len(published.at) < len(study.settled_axes) and study.paper.shows(published.stage):
            axes = tuple(axis for axis in study.settled_axes if axis in dict(published.at))
            partial.setdefault(axes, {}).setdefault(published.at, []).append(published.stage)
    html, texts = [], []
    for i, (axes, places) in enumerate(partial.items(), start=1):
        table = AverageTable(study, list(axes), study.paper.metrics, True)
        asked = {stage for stages in places.values() for stage in stages}
        table.stages = [stage for stage in table.stages if stage in asked]
        for at, stages in places.items():
            rows = rows_at(study.results, dict(at))
            table.add(dict(at), rows[rows["stage"].isin(stages)])
        over = [axis.split(".")[-1] for axis in study.settled_axes if axis not in axes]
        if table.points:
            caption = f"Means over {' and '.join(over)}"
            html.append(table.html(f"{prefix}-average-{i}", caption))
            texts += table.partial()
    return html + [f'<p class="warning">{escape(text)}</p>' for text in dict.fromkeys(texts)]


def what_stands(study, with_paper):
    if with_paper:
        return "Ours beside the paper's"
    if study.repeated:
        return f"Means over {study.repeated}, ± the deviation of a sample"
    return "Each run" if len(study.runs) > 1 else "After each stage"


def results_tables(study, prefix):
    """Every settled point, in one table or one a place of `tables_by`."""
    paper = study.paper
    axes = [a for a in study.settled_axes if a != paper.tables_by and len(study.places(a)) > 1]
    whole = any(len(p.at) == len(study.settled_axes) for p in paper.published)
    parts = study.places_so_far(paper.tables_by) if paper.tables_by else [None]
    html = averaged_tables(study, prefix)
    for i, part in enumerate(parts, start=1):
        table = ResultsTable(study, axes, paper.metrics, whole)
        for places in study.groups():
            at = dict(zip(study.settled_axes, places))
            if part is None or at[paper.tables_by] == part:
                table.add(at, rows_at(study.results, at))
        caption = what_stands(study, whole)
        if part is not None:
            caption = f"{paper.tables_by.split('.')[-1]}: {part}"
        if table.points:
            html.append(table.html(f"{prefix}-table-{i}", caption))
    return html


def plain_table(study, prefix, kind, caption, metrics, wanted):
    """Ours alone, of the wanted stages (a test of their names) that have one of these metrics; None
    if no stage has."""
    metrics = [m for m in metrics if m in study.results and study.results[m].notna().any()]
    if not metrics:
        return None
    axes = [axis for axis in study.settled_axes if len(study.places(axis)) > 1]
    table = ResultsTable(study, axes, metrics, False)
    known = study.results.dropna(subset=metrics, how="all")
    table.stages = [stage for stage in table.stages
                    if wanted(stage) and (known["stage"] == stage).any()]
    for places in study.groups():
        at = dict(zip(study.settled_axes, places))
        table.add(at, rows_at(known, at))
    return table.html(f"{prefix}-{kind}", caption) if table.points else None
