"""Puts the parts of a page together: one HTML file that needs nothing but itself."""

import pathlib
import shlex
from html import escape

import file_names
from ariba import fragment_figures, score_figures
from axis import axis_figures
from comparison import asked_in_vain, unmatched
from completeness import listed
from curves import stage_figures, training_figures
from figure import slug
from gallery import gallery_figures
from output import Output
from stages import is_training
from tables import plain_table, results_tables
from vocabulary import names_of

CONFIDENCE_NOTE = (
    "Confidence as printed is the paper's formula: the attackers' share of all marked fragments. "
    "Confidence is the share of the attackers' fragments that were marked."
)
DIFFERENCE_KEY = (
    '<p class="key">Difference is ours less the paper\'s, in points: '
    '<span class="key-below-3">−10</span><span class="key-below-2">−3</span>'
    '<span class="key-below-1">−1</span><span class="key-below-0">−0.1</span>'
    '<span class="key-above-0">+0.1</span><span class="key-above-1">+1</span>'
    '<span class="key-above-2">+3</span><span class="key-above-3">+10</span> '
    "or more</p>"
)


class Section:
    """A study's part of the page: its HTML and its entries in the contents."""

    def __init__(self, study, prefix, output):
        self.study = study
        self.prefix = prefix
        self.output = output
        self.title = study.paper.title or study.name
        self.contents = []
        self.parts = []

    def add(self, kind, heading, parts):
        """A part under a heading, unless it is empty."""
        parts = [part for part in parts if part]
        if not parts:
            return
        name = f"{self.prefix}-{kind}-part"
        self.contents.append((name, heading))
        self.parts.append(f'<h2 id="{name}">{escape(heading)}</h2>' + "\n".join(parts))

    def add_figures(self, kind, heading, figures, after=()):
        self.add(kind, heading, [f.html(self.prefix, self.output) for f in figures] + list(after))

    def build(self):
        study = self.study
        tables = results_tables(study, self.prefix)
        if study.paper.published:
            tables.append(DIFFERENCE_KEY)
        tables.append(baseline_table(study, self.prefix))
        self.add("results", "Results", [missing_note(study), *warned(study), *tables,
                                        published_note(study)])
        x = (study.paper.x or "").split(".")[-1].replace("_", " ")
        self.add_figures("axis", f"Along {x}", axis_figures(study))
        self.add_figures("training", "Training", training_figures(study))
        did = plain_table(study, self.prefix, "stages", "What the stages chose",
                          names_of("stage"), lambda stage: not is_training(stage))
        self.add_figures("stages", "What the stages tried", stage_figures(study), [did])
        found = plain_table(study, self.prefix, "identification",
                            "Whom the rule left out, in the last round", names_of("rule"),
                            is_training)
        drawn = score_figures(study) + fragment_figures(study)
        note = f"<p>{CONFIDENCE_NOTE}</p>" if drawn and found else ""
        self.add_figures("rule", "ARIBA" if drawn else "Clients left out", drawn, [found, note])
        self.add_figures("gallery", "Triggers", gallery_figures(study))
        self.add("notes", "Open settings", [notes(study)])
        self.add("settings", "Settings", settings(study))
        self.add("again", "Run it again", [again(study)])

    def html(self):
        return (
            f'<section class="study" id="{self.prefix}"><h1>{escape(self.title)}</h1>'
            f'<p class="facts">{escape(facts(self.study))}</p>'
            + "\n".join(self.parts)
            + "</section>"
        )

    def entries(self):
        links = "".join(f'<li><a href="#{name}">{escape(text)}</a></li>'
                        for name, text in self.contents)
        return f'<li><a href="#{self.prefix}">{escape(self.title)}</a><ul>{links}</ul></li>'


def counted(count, word):
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def baseline_table(study, prefix):
    """What an attack has won lies between the two; None where no run has a baseline or the tables
    have it already."""
    both = ["attack_success_rate", "attack_success_baseline"]
    has_both = all(m in study.results and study.results[m].notna().any() for m in both)
    if not has_both or both[1] in study.paper.metrics:
        return None
    return plain_table(study, prefix, "baseline", "Attack success beside its baseline: the same "
                       "images without the trigger", both, lambda stage: True)


def measured_on(summaries):
    """`attack measured on 1,028 images`, where runs say so."""
    counts = {s["attack_measured_on"].get("images", 0) for s in summaries
              if s.get("attack_measured_on")}
    if not counts:
        return []
    span = " to ".join(f"{count:,}" for count in sorted({min(counts), max(counts)}))
    return [f"attack measured on {span} images"]


def facts(study):
    """One line on where the numbers come from."""
    summaries = [run.summary for run in study.runs.values()]
    parts = [study.paper.source] if study.paper.source else []
    if study.axes:
        axes = " × ".join(f"{a} ({len(study.places(a))})" for a in study.axes)
        whole, _ = study.points()
        count = counted(whole, "run")
        there = count if len(study.runs) == whole else f"{len(study.runs)} of {count}"
        parts.append(f"{there}: {axes}")
    parts += measured_on(summaries)
    parts.append(", ".join(sorted({str(s.get("device", "cpu")) for s in summaries})))
    minutes = sum(s.get("seconds", 0) for s in summaries) / 60
    parts.append(f"{counted(round(minutes), 'minute')} of running" if minutes >= 1
                 else "less than a minute")
    parts.append("redoubt " + ", ".join(sorted({str(s.get("version", "")) for s in summaries})))
    return " · ".join(parts)


def warning(text):
    return f'<p class="warning">{escape(text)}</p>'


def warned(study):
    """What runs were warned of, each text once, with the points that it is said of."""
    points = {}
    for run in study.runs.values():
        for text in run.summary.get("warnings", []):
            points.setdefault(text, []).append(run.folder.name)
    return [warning(f"{listed(names)}: {text}" if study.axes else text)
            for text, names in points.items()]


def missing_note(study):
    """Points of the sweep that are in no mean."""
    whole, missing = study.points()
    html = ""
    if missing:
        html += warning(f"{len(missing)} of {counted(whole, 'point')} are not among these results: "
                        f"{listed(missing)}.")
    if study.failed:
        html += warning(f"Points that failed and are in no mean: {listed(study.failed)}.")
    return html


def published_note(study):
    """What the paper block asks for and the tables do not show."""
    html = "".join(warning(f"{why}: {'; '.join(what)}.") for why, what in unmatched(study))
    vain = asked_in_vain(study)
    if vain:
        html += warning(f"Asked for, but in no result: {'; '.join(vain)}.")
    return html


def notes(study):
    items = "".join(f"<li>{escape(note)}</li>" for note in study.paper.notes)
    return f'<ul class="notes">{items}</ul>' if items else ""


def folded(title, text):
    return (f"<details><summary>{escape(title)}</summary><pre><code>{escape(text)}</code></pre>"
            "</details>")


def settings(study):
    parts = []
    if study.sweep_text:
        parts.append(folded("The sweep's file", study.sweep_text))
    run = next(iter(study.runs.values()))
    title = f"All settings of {run.folder.name}" if study.axes else "All settings"
    parts.append(folded(title, run.settings_text))
    return parts


def again(study):
    """The command lines; the program's runs can be told from their folders."""
    run = next(iter(study.runs.values()))
    lines = []
    if study.sweep_text:
        file = shlex.quote(str(study.folder / file_names.SWEEP))
        sets = "".join(f" --set {shlex.quote(override)}" for override in study.overrides)
        lines += [f"redoubt sweep {file}{sets} --output again   # all points"]
    file = shlex.quote(str(run.folder / file_names.EXPERIMENT))
    which = "   # one point" if study.axes else ""
    lines.append(f"redoubt run {file} --output again{which}")
    lines.append(f"redoubt report {shlex.quote(str(study.folder))}")
    return f"<pre><code>{escape(chr(10).join(lines))}</code></pre>"


def unique_names(studies):
    names = []
    for study in studies:
        base = slug(study.name)
        name, i = base, 1
        while name in names:
            i += 1
            name = f"{base}-{i}"
        names.append(name)
    return names


def write_page(studies, folder):
    """index.html and the figures as files; returns the page's path."""
    output = Output(folder)
    sections = [Section(study, name, output) for study, name in zip(studies, unique_names(studies))]
    for section in sections:
        section.build()
    output.add("index.html", page_text(sections).encode("utf-8"))
    output.write()
    return folder / "index.html"


def page_text(sections):
    css = (pathlib.Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    title = sections[0].title if len(sections) == 1 else "Experiments"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>\n{css}</style></head><body><div class=\"page\">"
        f'<nav aria-label="Contents"><strong>Contents</strong><ul>'
        f'{"".join(section.entries() for section in sections)}</ul></nav><main>'
        + "\n".join(section.html() for section in sections)
        + "</main></div></body></html>\n"
    )
