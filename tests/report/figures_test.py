"""`redoubt report`: figures of made-up runs, and where the report cannot be written."""

import json
import pathlib
import re
import resource
import sys
import unittest

from made_runs import MadeReports, pruning, rounds, stage, write_fragments
from reports import call, leave_unless_modules

REPORT = pathlib.Path(__file__).parent.parent.parent / "experiments" / "report"


class TrainingFigureTest(MadeReports):
    def points_of(self, drawing, name):
        """(vertices of the line, markers on it)"""
        group = drawing.groups[name]
        return len(drawing.points(name)), len(list(group.iter(drawing.SVG + "use")))

    def test_rounds_that_were_not_tested_are_no_gaps(self):
        tested = [0.2 + 0.03 * i if i % 5 == 0 else None for i in range(1, 21)]
        self.report(self.run_of("every", rounds(tested)))
        drawing = self.drawing("every-training")
        self.assertEqual(self.points_of(drawing, "series-accuracy-all"), (4, 4))
        for ours, value in zip(drawing.rates("series-accuracy-all", 0), (0.35, 0.5, 0.65, 0.8)):
            self.assertAlmostEqual(ours, value, delta=0.002)

    def test_only_the_last_round_tested_is_a_mark(self):
        self.report(self.run_of("last", rounds([None] * 9 + [0.5])))
        drawing = self.drawing("last-training")
        self.assertEqual(len(list(drawing.groups["series-accuracy-all"].iter(
            drawing.SVG + "use"))), 1)

    def test_each_training_has_its_own_end(self):
        def records(at):
            length = int(at["federation.rounds"])
            values = [0.2 + 0.05 * i for i in range(length)]
            return rounds(values) + rounds([0.8] * 4, length + 1, "fine_tune_round") + [
                stage("fine_tune", 0.8, rounds=4)]
        self.report(self.sweep("ends", {"federation.rounds": [3, 8]}, records))
        drawing = self.drawing("ends-training")
        for length in (3, 8):
            line = drawing.points(f"series-accuracy-rounds-{length}")
            one_round = line[1][0] - line[0][0]
            end = drawing.points(f"end-accuracy-rounds-{length}")[0][0]
            self.assertAlmostEqual((end - line[0][0]) / one_round, length - 0.5, delta=0.01)
        self.assertIn("of its colour", self.caption("ends-training"))

    def test_a_dollar_is_a_dollar(self):
        axes = {"rule": ["from $5 to $9_", "$x", "_private"]}
        self.report(self.sweep("dollars", axes, lambda at: rounds([0.1 * len(at["rule"])] * 2)))
        texts = self.drawing("dollars-training").texts()
        for label in axes["rule"]:
            self.assertIn(label, texts)


class LevelFigureTest(MadeReports):
    """What a stage tried is drawn from its record alone: the report knows no stage."""

    def record(self, levels, **values):
        shares = [0.9, 0.8, 0.7, 0.2][: len(levels)]
        return stage("sharpen_weights", 0.8, level_axis="strength", levels=levels,
                     level_accuracy=shares, level_attack_success_rate=shares, level_chosen=1,
                     **values)

    def test_a_stage_that_the_report_does_not_know(self):
        self.report(self.run_of("new", rounds([0.8, 0.9]) + [self.record([0, 2, 4, 8])]))
        drawing = self.drawing("new-sharpen-weights")
        self.assertIn("strength", drawing.texts())
        self.assertIn("chosen-all-2", drawing.groups)
        for ours, value in zip(drawing.rates("series-accuracy-all", 0), (0.9, 0.8, 0.7, 0.2)):
            self.assertAlmostEqual(ours, value, delta=0.002)
        self.assertIn("Sharpen weights: by strength.", self.caption("new-sharpen-weights"))

    def test_levels_that_fall_go_from_left_to_right_after_the_untreated_model(self):
        self.report(self.run_of("fall", rounds([0.8]) + [self.record([None, 3, 2, 1],
                                                                     layer="conv2")]))
        drawing = self.drawing("fall-sharpen-weights")
        x = [point[0] for point in drawing.points("series-accuracy-all")]
        self.assertEqual(x, sorted(x))
        self.assertIn("chosen-all-3", drawing.groups)
        for text in ("none", "3", "1", "strength of conv2"):
            self.assertIn(text, drawing.texts())

    def test_a_record_without_its_axis_is_drawn_by_the_places_of_its_levels(self):
        record = self.record([0, 1, 2])
        for key in ("level_axis", "levels", "level_chosen"):
            del record[key]
        self.report(self.run_of("old", rounds([0.8]) + [record]))
        self.assertIn("level", self.drawing("old-sharpen-weights").texts())


class VocabularyTest(MadeReports):
    def test_labels_and_shares_are_those_of_the_run(self):
        folder = self.run_of("own", rounds([0.8]) + [stage("prune", 0.7, recall=0.25)],
                             paper={"metrics": ["accuracy", "recall"]})
        summary = json.loads((folder / "summary.json").read_text())
        summary["metrics"].append({"name": "recall", "label": "what is recalled", "share": True,
                                   "of": "test"})
        (folder / "summary.json").write_text(json.dumps(summary))
        self.report(folder)
        self.assert_says("what is recalled")
        self.assert_says("25.0")

    def test_a_run_of_before_the_table_shows_its_shares_in_percent(self):
        folder = self.run_of("old", rounds([0.123, 0.456]))
        summary = json.loads((folder / "summary.json").read_text())
        del summary["metrics"]
        (folder / "summary.json").write_text(json.dumps(summary))
        self.report(folder)
        self.assert_says("attack success")
        self.assert_says("45.6")

    def test_a_damaged_table_is_told(self):
        folder = self.run_of("damaged", rounds([0.8]))
        for damage in ({"metrics": [{"name": "accuracy"}]}, {"metrics": 3}):
            summary = json.loads((folder / "summary.json").read_text()) | damage
            (folder / "summary.json").write_text(json.dumps(summary))
            self.fail_with([str(folder / "summary.json"), "metrics"], folder)


class ManyPointsTest(MadeReports):
    def test_a_figure_has_nine_panels_at_most_and_whole_groups(self):
        def records(at):
            if at == {"target": "2", "defense": "d"}:
                return None
            accuracy = 0.1 + 0.1 * int(at["target"]) + 0.02 * ord(at["defense"][0]) % 1
            return rounds([0.1, accuracy])
        axes = {"seed": [1], "defense": ["a", "b", "c", "d"], "target": [0, 1, 2]}
        self.report(self.sweep("many", axes, lambda at: records(
            {"target": at["target"], "defense": at["defense"]})))
        drawings = [name for name in self.page.figures if name.startswith("many-training")]
        self.assertEqual(drawings, ["many-training-1", "many-training-2"])
        self.assertIn("Part 1 of 2: a, b.", self.caption("many-training-1"))
        self.assertEqual([text for text in self.drawing("many-training-2").texts()
                          if "target" in text],
                         ["c · target 0", "c · target 1", "c · target 2", "d · target 0",
                          "d · target 1"])

    def test_parts_keep_what_belongs_together(self):
        sys.path.insert(0, str(REPORT))
        self.addCleanup(sys.path.remove, str(REPORT))
        from parts import parts_of

        def sizes(*counts):
            """Of the parts of a grid of so many places on each axis."""
            points = [()]
            for axis, count in enumerate(counts):
                points = [(*p, f"{'abc'[axis]}{i}") for p in points for i in range(count)]
            parts = parts_of([(" · ".join(p),) for p in points], 9)
            self.assertEqual([point for part in parts for point in part],
                             [(" · ".join(p),) for p in points])
            return [len(part) for part in parts]

        self.assertEqual(sizes(9), [9])
        self.assertEqual(sizes(10), [5, 5])
        self.assertEqual(sizes(9, 4), [8, 8, 8, 8, 4])
        self.assertEqual(sizes(2, 13), [7, 6, 7, 6])
        self.assertEqual(sizes(2, 2, 5), [5, 5, 5, 5])
        self.assertEqual([len(part) for part in parts_of([("",)] * 12, 9)], [6, 6])

    def test_tables_and_figures_start_with_the_axis_that_tables_are_split_by(self):
        axes = {"rule": ["a", "b"], "data": ["x", "y"]}
        self.report(self.sweep("split", axes, lambda at: rounds(
            [0.1, 0.3 + 0.2 * (at["rule"] == "a") + 0.1 * (at["data"] == "x")]),
            paper={"tables_by": "data"}))
        self.assertEqual([t for t in self.drawing("split-training").texts() if " · " in t],
                         ["x · a", "x · b", "y · a", "y · b"])


class FragmentFigureTest(MadeReports):
    def with_fragments(self, fragments):
        """A sweep over rules of which one has exported fragments."""
        def records(at):
            scored = rounds([0.5, 0.6])
            scored[-1]["attackers"] = [1]
            return scored
        folder = self.sweep("some", {"rule": ["median", "ariba"], "seed": [4, 5]}, records)
        clients = [[[i % 7 + client, i % 5, i % 3] for i in range(fragments)]
                   for client in range(3)]
        write_fragments(folder / "rule=ariba,seed=4" / "round-2.safetensors", clients)
        self.report(folder)

    def test_the_caption_names_the_point_that_has_them(self):
        self.with_fragments(20)
        self.assertIn("of seed 4. Of rule ariba only.", self.caption("some-fragments"))
        self.assertNotIn("<image", self.text)

    def test_a_cloud_is_drawn_for_light_and_for_dark_pages(self):
        self.with_fragments(1500)
        figure = self.text[self.text.index('id="some-fragments"'):]
        figure = figure[: figure.index("</figure>")]
        for layout in re.findall(r"<svg.*?</svg>", figure, flags=re.DOTALL):
            images = dict(re.findall(r'<image class="on-(\w+)" [^>]*href="([^"]*)"', layout))
            self.assertEqual(sorted(images), ["dark", "light"])
            self.assertNotEqual(images["dark"], images["light"])
            self.assertEqual(layout.count("<image"), 2)
        file = (self.folder / "page" / "some-fragments.svg").read_text()
        self.assertEqual(file.count("<image"), 1)

    def test_the_dark_colours_are_those_of_the_page(self):
        sys.path.insert(0, str(REPORT))
        self.addCleanup(sys.path.remove, str(REPORT))
        import style

        css = (REPORT / "page.css").read_text()
        for scheme, colours in zip(css.split("prefers-color-scheme: dark")[:2],
                                   ({c: c for c in style.TOKENS}, style.ON_DARK)):
            for light, colour in colours.items():
                self.assertIn(f"--{style.TOKENS[light]}: {colour};", scheme)


class WritingTest(MadeReports):
    def setUp(self):
        super().setUp()
        self.run_folder = self.run_of("run", rounds([0.4, 0.5, 0.6]) + [pruning([0.6, 0.5, 0.4])])

    def fail_to_write(self, output, file, limit=None):
        """No file may be longer than `limit` bytes, as if the disk were full."""
        def limited():
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        result = call("report", self.run_folder, "--output", output, preexec_fn=limited)
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertRegex(result.stderr, f"^redoubt: {file}: cannot write: ")

    def test_a_full_disk_leaves_nothing(self):
        page = self.folder / "deep" / "page"
        self.fail_to_write(page, page / "run-[a-z]*.png", limit=20000)
        self.assertFalse((self.folder / "deep").exists())

    def test_a_full_disk_leaves_an_earlier_report_as_it_was(self):
        page = self.folder / "page"
        page.mkdir()
        (page / "index.html").write_text("earlier")
        self.fail_to_write(page, page / "run-[a-z]*.png", limit=20000)
        self.assertEqual([path.name for path in page.iterdir()], ["index.html"])
        self.assertEqual((page / "index.html").read_text(), "earlier")

    def test_a_folder_that_cannot_be_made_is_named(self):
        (self.folder / "file").write_text("")
        output = self.folder / "file" / "page"
        self.fail_to_write(output, output)
        self.fail_to_write(self.folder / "file", self.folder / "file")

    def test_says_what_to_do_about_a_folder_without_results(self):
        sweep = self.sweep("begun", {"seed": [1, 2]}, lambda at: rounds([0.5]))
        (sweep / "seed=1" / "summary.json").unlink()
        self.fail_with([f"{sweep / 'seed=1'}: ", "redoubt sweep FILE goes on"], sweep)
        self.fail_with([f"{sweep / 'seed=1'}: ", "redoubt sweep FILE goes on"], sweep / "seed=1")
        (sweep / "results.csv").unlink()
        self.fail_with([f"{sweep}: no point of the sweep has ended", "redoubt sweep FILE goes on"],
                       sweep)
        failed = self.sweep("failed", {"seed": [1]}, lambda at: None, failed=["seed=1"])
        self.fail_with(["no point has ended, 1 failed; redoubt sweep FILE tries"], failed)
        (self.run_folder / "metrics.jsonl").unlink()
        self.fail_with(["is not finished, there is no metrics.jsonl; redoubt run FILE --resume"],
                       self.run_folder)


if __name__ == "__main__":
    leave_unless_modules()
    unittest.main()
