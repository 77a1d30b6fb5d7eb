"""Folders as runs and sweeps leave them, with numbers that a test chooses: no run takes part."""

import csv
import html
import itertools
import json
import pathlib
import re
import struct
import tempfile
import unittest

from reports import Drawing, call, read_page, succeed


METRICS = [{"name": name, "label": label, "share": share, "of": of} for name, label, share, of in (
    ("accuracy", "accuracy", True, "test"),
    ("attack_success_rate", "attack success", True, "test"),
    ("loss", "loss", False, "test"),
    ("removed_attackers", "attackers left out", False, "rule"),
    ("removed_benign", "others left out", False, "rule"),
    ("confidence_as_printed", "confidence as printed", True, "rule"),
    ("confidence", "confidence", True, "rule"),
    ("pruned_channels", "pruned channels", False, "stage"),
    ("delta", "Δ", False, "stage"),
    ("zeroed_weights", "zeroed weights", False, "stage"),
    ("margin", "margin", False, "stage"),
)]


def rounds(values, first=1, stage="round"):
    """Records of rounds with these accuracies; None: the model was not tested."""
    return [{"stage": stage, "round": number, "training_loss": 1.0}
            | ({} if value is None else {"accuracy": value, "attack_success_rate": 1 - value})
            for number, value in enumerate(values, start=first)]


def stage(kind, accuracy, **values):
    return {"stage": kind, "accuracy": accuracy, "attack_success_rate": 1 - accuracy, **values}


def pruning(levels, **values):
    """A record of `prune` that tried so many accuracies and chose the second."""
    return stage("prune", levels[1], layer="conv2", pruned_channels=1, level_axis="channels",
                 levels=list(range(len(levels))), level_accuracy=levels,
                 level_attack_success_rate=[1 - v for v in levels], level_chosen=1, **values)


def write_lines(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def make_run(folder, records, **settings):
    """A finished run with these lines of metrics.jsonl."""
    write_lines(folder / "metrics.jsonl", records)
    (folder / "experiment.yaml").write_text(json.dumps({"name": folder.name, **settings}))
    summary = {"name": folder.name, "device": "cpu", "version": "test", "seconds": 1,
               "metrics": METRICS}
    (folder / "summary.json").write_text(json.dumps(summary))


def stages_of(records):
    """The records that a run's summary has: the last round and every stage."""
    trained = [r for r in records if r["stage"] == "round"][-1:]
    return trained + [r for r in records if not r["stage"].endswith("round")]


def make_sweep(folder, axes, records_of, *, failed=(), overrides=None, **blocks):
    """A sweep over `axes`, lists of places. `records_of(at)` gives a point's lines of
    metrics.jsonl, or None where the point has not ended; those in `failed` have failed. `blocks`
    stand in sweep.yaml."""
    (folder / "printed").mkdir(parents=True)
    (folder / "sweep.yaml").write_text(json.dumps({"name": folder.name, "sweep": axes, **blocks}))
    if overrides is not None:
        (folder / "overrides.json").write_text(json.dumps(overrides))
    rows = []
    for places in itertools.product(*axes.values()):
        at = dict(zip(axes, map(str, places)))
        point = ",".join(f"{axis}={place}" for axis, place in at.items())
        start = {"point": point} | {f"axis {axis}": place for axis, place in at.items()}
        records = records_of(at)
        if point in failed:
            rows.append(start | {"stage": "failed"})
        elif records is not None:
            make_run(folder / point, records)
            rows += [start | {k: v for k, v in record.items() if not isinstance(v, list)}
                     for record in stages_of(records)]
    write_results(folder / "results.csv", axes, rows)


def write_results(path, axes, rows):
    start = ["point", *(f"axis {axis}" for axis in axes), "stage"]
    keys = list(dict.fromkeys([*start, *(key for row in rows for key in row)]))
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([key.removeprefix("axis ") for key in keys])
        writer.writerows([row.get(key, "") for key in keys] for row in rows)


def write_fragments(path, clients):
    """An export of ARIBA: lists of fragments, each a list of numbers, by client."""
    header, data = {}, b""
    for client, fragments in enumerate(clients):
        content = struct.pack(f"<{sum(map(len, fragments))}f", *itertools.chain(*fragments))
        header[f"conv2.weight.client{client}"] = {
            "dtype": "F32", "shape": [len(fragments), len(fragments[0])],
            "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class MadeReports(unittest.TestCase):
    """Tests that make folders and report on them."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="redoubt-test-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)

    def sweep(self, name, axes, records_of, **options):
        make_sweep(self.folder / name, axes, records_of, **options)
        return self.folder / name

    def run_of(self, name, records, **settings):
        make_run(self.folder / name, records, **settings)
        return self.folder / name

    def report(self, *folders):
        """Writes the page and reads it."""
        succeed("report", *folders, "--output", self.folder / "page")
        self.text = html.unescape((self.folder / "page" / "index.html").read_text())
        self.page = read_page((self.folder / "page" / "index.html").read_text())

    def assert_says(self, text):
        """The page has the text; a failure does not print all of the page."""
        self.assertTrue(text in self.text, text)

    def assert_says_not(self, text):
        self.assertFalse(text in self.text, text)

    def drawing(self, name):
        return Drawing(self.folder / "page" / f"{name}.svg")

    def caption(self, name):
        return re.search(rf'id="{name}" aria-label="([^"]*)"', self.text)[1]

    def fail_with(self, texts, *folders, **options):
        result = call("report", *folders, **options)
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith("redoubt: "), result.stderr)
        for text in texts:
            self.assertIn(text, result.stderr)
