"""`redoubt report`: the page's tables and figures against the files that they are made from."""

import json
import os
import shutil
import statistics
import stat
import unittest
from collections import Counter

from reports import STAGES, Reports, call, leave_unless_modules, read_page, succeed


def lines_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def percent(value):
    return f"{100 * value:.1f}"


class TableTest(Reports):
    def ours(self, stage, metric, **places):
        """The values of a stage, of both seeds, straight from results.csv."""
        rows = [row for row in self.results() if row["stage"] == stage]
        rows = [row for row in rows if all(row[axis] == place for axis, place in places.items())]
        return [float(row[metric]) for row in rows]

    def test_sets_the_mean_of_the_seeds_beside_the_published_figure(self):
        table = self.page.tables["rivals-table-1"]
        self.assertEqual(set(table), {(f"rule={rule}", stage) for rule in ("fedavg", "ariba")
                                      for stage in STAGES})
        for (point, stage), row in table.items():
            self.assertEqual(row[None, "n"][0], "2")
            for metric in ("accuracy", "attack_success_rate"):
                values = self.ours(stage, metric, rule=point.removeprefix("rule="))
                self.assertEqual(len(values), 2)
                text, exact = row[metric, "ours"]
                self.assertEqual(text, percent(statistics.mean(values)))
                self.assertAlmostEqual(float(exact), statistics.mean(values), places=5)
                text, exact = row[metric, "deviation"]
                self.assertEqual(text, f"± {percent(statistics.stdev(values))}")
                self.assertAlmostEqual(float(exact), statistics.stdev(values), places=5)

    def test_writes_the_difference_with_its_sign_and_a_dash_where_nothing_is_published(self):
        table = self.page.tables["rivals-table-1"]
        row = table["rule=ariba", "training"]
        for metric, published in (("accuracy", 0.9), ("attack_success_rate", 0.25)):
            difference = statistics.mean(self.ours("training", metric, rule="ariba")) - published
            self.assertEqual(row[metric, "paper"][0], percent(published))
            self.assertEqual(row[metric, "difference"][0].replace("−", "-").lstrip("+"),
                             percent(difference))
            self.assertEqual(row[metric, "difference"][0][0], "+" if difference > 0 else "−")
        row = table["rule=fedavg", "adjust_weights"]
        self.assertEqual(row["accuracy", "paper"][0], "12.3")
        self.assertEqual(row["attack_success_rate", "paper"], ("–", None))
        self.assertEqual(row["attack_success_rate", "difference"], ("–", None))
        shown = [key for key, cells in table.items() if cells["accuracy", "paper"][0] != "–"]
        self.assertEqual(sorted(shown),
                         [("rule=ariba", "training"), ("rule=fedavg", "adjust_weights")])

    def test_averages_over_the_axes_that_a_published_figure_leaves_out(self):
        self.assertEqual(list(self.page.tables["rivals-average-1"]), [("", "training")])
        row = self.page.tables["rivals-average-1"]["", "training"]
        by_seed = [statistics.mean(self.ours("training", "accuracy", seed=seed))
                   for seed in ("1", "2")]
        self.assertEqual(row[None, "n"][0], "2")
        self.assertEqual(row["accuracy", "ours"][0], percent(statistics.mean(by_seed)))
        deviation = percent(statistics.stdev(by_seed))
        self.assertEqual(row["accuracy", "deviation"][0], f"± {deviation}")
        self.assertEqual(row["accuracy", "paper"][0], "80.0")

    def test_says_which_published_figures_have_no_counterpart(self):
        self.assertIn("Published, but not among these results: accuracy of distill, rule ariba.",
                      self.text)

    def test_a_single_run_has_neither_deviation_nor_paper(self):
        table = self.page.tables["alone-table-1"]
        self.assertEqual([stage for _, stage in table], ["training"] + [
            f"ranking/{stage}" for stage in STAGES[1:]] + [
            "clipping/adjust_weights", "clipping/limit_inputs"])
        summary = json.loads((self.run_folder / "summary.json").read_text())
        for line, row in zip(summary["stages"], table.values()):
            self.assertEqual(row[None, "n"][0], "1")
            self.assertEqual(row["accuracy", "ours"][0], percent(line["accuracy"]))
            self.assertEqual(row["accuracy", "deviation"], ("", None))
            self.assertNotIn(("accuracy", "paper"), row)

    def test_tells_whom_ariba_left_out(self):
        table = self.page.tables["rivals-identification"]
        self.assertEqual(list(table), [("rule=ariba", "training")])
        row = table["rule=ariba", "training"]
        for metric in ("confidence", "confidence_as_printed", "removed_attackers"):
            mean = statistics.mean(self.ours("training", metric, rule="ariba"))
            self.assertAlmostEqual(float(row[metric, "ours"][1]), mean, places=5)

    def test_tells_what_the_stages_chose(self):
        row = self.page.tables["rivals-stages"]["rule=fedavg", "prune"]
        mean = statistics.mean(self.ours("prune", "pruned_channels", rule="fedavg"))
        self.assertAlmostEqual(float(row["pruned_channels", "ours"][1]), mean, places=5)


class FigureTest(Reports):
    def lines(self, rule):
        return [lines_of(self.sweep / f"rule={rule},seed={seed}") for seed in (1, 2)]

    def assert_curve(self, drawing, name, panel, expected):
        shown = drawing.rates(name, panel)
        self.assertEqual(len(shown), len(expected))
        for ours, value in zip(shown, expected):
            self.assertAlmostEqual(ours, value, delta=0.002)

    def test_draws_the_mean_of_the_seeds_by_round(self):
        drawing = self.drawing("rivals-training")
        for panel, metric in enumerate(("accuracy", "attack_success_rate")):
            for rule in ("fedavg", "ariba"):
                by_seed = [[line[metric] for line in lines
                            if line["stage"] in ("round", "fine_tune_round")]
                           for lines in self.lines(rule)]
                expected = [statistics.mean(values) for values in zip(*by_seed)]
                self.assertEqual(len(expected), 6)
                self.assert_curve(drawing, f"series-{metric}-{rule}", panel, expected)
                self.assertIn(f"band-{metric}-{rule}", drawing.groups)
        for text in ("fedavg", "ariba", "round", "100 %"):
            self.assertIn(text, drawing.texts())

    def test_draws_every_level_of_pruning_of_delta_and_of_inputs(self):
        for kind, stage in (("pruning", "prune"), ("adjusting-weights", "adjust_weights"),
                            ("limiting-inputs", "limit_inputs")):
            drawing = self.drawing(f"rivals-{kind}")
            for panel, rule in enumerate(("fedavg", "ariba")):
                records = [next(line for line in lines if line["stage"] == stage)
                           for lines in self.lines(rule)]
                for level, name in (("level_accuracy", "accuracy"),
                                    ("level_attack_success_rate", "attack_success_rate")):
                    expected = [statistics.mean(values)
                                for values in zip(*(record[level] for record in records))]
                    self.assert_curve(drawing, f"series-{name}-{rule}", panel, expected)

    def test_marks_the_attackers_among_the_scores_and_the_fragments(self):
        for seed in (1, 2):
            record = [line for line in lines_of(self.sweep / f"rule=ariba,seed={seed}")
                      if line["stage"] == "round"][-1]
            self.assertEqual(len(record["attackers"]), 1)
            self.assertEqual(len(record["client_scores"]), 5)
        scores = self.drawing("rivals-scores")
        marks = {kind: len(list(scores.groups[f"scores-{kind}-all"].iter(scores.SVG + "use")))
                 for kind in ("attackers", "benign")}
        self.assertEqual(marks, {"attackers": 2, "benign": 8})
        fragments = self.drawing("rivals-fragments")
        marks = {kind: len(list(fragments.groups[f"fragments-{kind}-all"].iter(
            fragments.SVG + "use"))) for kind in ("attackers", "benign")}
        self.assertEqual(marks, {"attackers": 48, "benign": 4 * 48})  # 8 channels of 6 kernels

    def test_the_components_are_those_of_the_covariance(self):
        import numpy as np

        record = [line for line in lines_of(self.sweep / "rule=ariba,seed=1")
                  if line.get("round") == 4][0]
        fragments = read_tensors(self.sweep / "rule=ariba,seed=1" / "round-4.safetensors")
        pooled = np.concatenate(list(fragments.values())).astype(float)
        _, scale, directions = np.linalg.svd(pooled - pooled.mean(axis=0), full_matrices=False)
        share = 100 * scale[0] ** 2 / (scale**2).sum()
        drawing = self.drawing("rivals-fragments")
        self.assertIn(f"1st component, {share:.0f} % of the variance", drawing.texts())
        attacker = fragments[f"conv2.weight.client{record['attackers'][0]}"] - pooled.mean(axis=0)
        expected = np.sort(np.abs(attacker @ directions[0]))
        shown = [float(use.get("x")) for use in
                 drawing.groups["fragments-attackers-all"].iter(drawing.SVG + "use")]
        everything = [float(use.get("x")) for use in
                      drawing.groups["fragments-benign-all"].iter(drawing.SVG + "use")] + shown
        # The pooled projections have the mean 0, so distances from the mean are theirs.
        centre = statistics.mean(everything)
        distances = np.sort(np.abs(np.array(shown) - centre))
        np.testing.assert_allclose(distances / distances[-1], expected / expected[-1], atol=2e-3)

    def test_shows_clean_and_stamped_images_of_every_attack(self):
        sweep = self.drawing("rivals-gallery")
        self.assertIn("trigger-0-1", sweep.groups)
        self.assertEqual([t for t in sweep.texts() if t in ("clean", "stamped")],
                         ["clean", "stamped"] * 4)
        alone = self.drawing("alone-gallery")
        self.assertEqual([t for t in alone.texts() if t.startswith("part")],
                         ["part 1", "part 2", "part 3", "part 4"])

    def test_a_run_keeps_images_with_and_without_the_trigger(self):
        tensors = read_tensors(self.run_folder / "examples.safetensors")
        images = (self.folder / "mnist" / "t10k-images-idx3-ubyte").read_bytes()[16:]
        of_test = [images[784 * i : 784 * (i + 1)] for i in range(9, 89, 10)]  # the victim's, 9
        self.assertEqual([image.tobytes() for image in tensors["clean"]], of_test)
        strips = [{(row, column + i) for i in range(4)} for row in (0, 3) for column in (0, 6)]
        for clean, stamped in zip(tensors["clean"], tensors["stamped"]):
            self.assert_stamped(clean, stamped, set.union(*strips))
        self.assertEqual(len(tensors["parts"]), len(strips))
        for part, strip in zip(tensors["parts"], strips):
            self.assert_stamped(tensors["clean"][0], part, strip)

    def assert_stamped(self, clean, stamped, where):
        for row in range(28):
            for column in range(28):
                expected = 255 if (row, column) in where else clean[0, row, column]
                self.assertEqual(stamped[0, row, column], expected)

    def test_every_figure_is_there_for_wide_and_narrow_pages_and_as_files(self):
        drawings = {name for name, layouts in self.page.figures.items() if layouts}
        kinds = ("training", "pruning", "adjusting-weights", "limiting-inputs", "scores", "fragments",
                 "gallery")
        expected = {f"rivals-{kind}" for kind in kinds}
        expected |= {f"alone-{kind}"
                     for kind in ("training", "pruning", "adjusting-weights", "limiting-inputs",
                                  "gallery")}
        self.assertEqual(drawings, expected)
        for name in drawings:
            self.assertEqual(self.page.figures[name], ["wide", "narrow"])
            self.assertTrue((self.page_folder / f"{name}.png").read_bytes().startswith(b"\x89PNG"))


def read_tensors(path):
    """{name: array} of a safetensors file, read without the report's own reader."""
    import numpy as np

    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            kind = {"F32": "<f4", "U8": "u1"}[entry["dtype"]]
            tensors[name] = np.frombuffer(content[begin:end], kind).reshape(entry["shape"])
    return tensors


class PageTest(Reports):
    def test_needs_nothing_but_itself(self):
        self.assertNotIn("http:", self.text)
        self.assertNotIn("https:", self.text)
        self.assertNotIn("@import", self.text)
        self.assertNotIn("<script", self.text)
        for address in self.page.addresses:
            inside = address.startswith("#") and address[1:] in self.page.ids
            beside = (self.page_folder / address).is_file()
            self.assertTrue(inside or beside or address.startswith("data:"), address)

    def test_is_well_formed(self):
        self.assertEqual(self.page.open, [])
        twice = [name for name, count in Counter(self.page.ids).items() if count > 1]
        self.assertEqual(twice, [])
        self.assertIn("A rule &amp; its rival", self.text)
        self.assertIn("The paper leaves &lt;this&gt; open.", self.text)

    def test_serves_light_and_dark_readers(self):
        self.assertIn("@media (prefers-color-scheme: dark)", self.text)
        drawings = self.text[self.text.index("<svg") : self.text.rindex("</svg>")]
        for colour in ("#1f2328", "#0072b2", "#d55e00", "#59636e", "#dde1e6"):
            self.assertNotIn(colour, drawings.lower())
        self.assertIn("var(--vermillion)", drawings)

    def test_holds_the_settings_and_how_to_run_it_again(self):
        self.assertIn("All settings of rule=fedavg,seed=1", self.text)
        self.assertIn(f"redoubt report {self.sweep}", self.text)
        self.assertIn("pixels: 3", self.text)


class AskedWronglyTest(Reports):
    def fail_with(self, texts, *folders, **environment):
        result = call("report", *folders, env=dict(os.environ, **environment))
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith("redoubt: "), result.stderr)
        for text in texts:
            self.assertIn(text, result.stderr)

    def test_says_which_folder_is_wrong(self):
        self.fail_with(["nowhere: there is no such folder"], self.folder / "nowhere")
        self.fail_with([f"{self.folder}: holds neither a run nor a sweep"], self.folder)

    def copy_of(self, folder, name):
        copy = self.folder / name
        shutil.copytree(folder, copy)
        self.addCleanup(shutil.rmtree, copy)
        return copy

    def test_says_what_is_wrong_with_a_run(self):
        copy = self.copy_of(self.run_folder, "unfinished")
        (copy / "summary.json").unlink()
        self.fail_with(["the run is not finished", "--resume"], copy)
        copy = self.copy_of(self.run_folder, "damaged")
        with (copy / "metrics.jsonl").open("a") as file:
            file.write("{}\n")
        self.fail_with(["metrics.jsonl:", "no record of a round or a stage"], copy)
        self.assertFalse((copy / "report").exists())

    def test_says_what_is_wrong_with_a_sweep(self):
        copy = self.copy_of(self.sweep, "cut")
        (copy / "results.csv").write_text("point,seed\n")
        self.fail_with(["results.csv: no table of a sweep"], copy)
        copy = self.copy_of(self.sweep, "unnumbered")
        (copy / "sweep.yaml").write_text("paper: {published: [{stage: training, values: {a: b}}]}")
        self.fail_with(["sweep.yaml: paper.published", "numbers by metric"], copy)
        (copy / "sweep.yaml").write_text("paper: {tables_by: data}")
        self.fail_with(["sweep.yaml: paper names data, which is no axis"], copy)

    def test_says_what_to_install_where_modules_are_missing(self):
        python = self.folder / "bare-python3"
        python.write_text("#!/bin/sh\nexec /usr/bin/env python3 -I -S \"$@\"\n")
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
        self.fail_with(["apt-get install python3-matplotlib python3-pandas python3-yaml"],
                       self.sweep, REDOUBT_PYTHON=str(python))
        self.fail_with(["apt-get install"], self.sweep, REDOUBT_PYTHON="/nowhere/python3")

    def test_writes_beside_the_run_unless_told_where_and_draws_the_same_again(self):
        copy = self.copy_of(self.run_folder, "copy")
        printed = succeed("report", copy)
        path = copy / "report" / "index.html"
        self.assertEqual(printed, f"written to {path}\n")
        page = read_page(path.read_text())
        self.assertIn("alone-table-1", page.tables)
        drawings = sorted((copy / "report").glob("*.svg"))
        self.assertEqual(len(drawings), 5)
        for drawing in drawings:
            self.assertEqual(drawing.read_bytes(), (self.page_folder / drawing.name).read_bytes())

    def test_a_sweep_without_a_paper_block_or_its_file_has_the_same_parts(self):
        copy = self.copy_of(self.sweep, "bare")
        (copy / "sweep.yaml").unlink(missing_ok=True)
        succeed("report", copy)
        page = read_page((copy / "report" / "index.html").read_text())
        row = page.tables["bare-table-1"]["rule=ariba", "training"]
        self.assertNotIn(("accuracy", "paper"), row)
        self.assertIn("bare-scores", page.figures)


if __name__ == "__main__":
    leave_unless_modules()
    unittest.main()
