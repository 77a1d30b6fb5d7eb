"""`redoubt report` on sweeps that are not complete, on paper blocks that ask for what is not there,
and on pipelines that use a stage twice; the folders are made up."""

import json
import unittest

from made_runs import MadeReports, pruning, rounds, stage, write_lines
from reports import leave_unless_modules


def trained(accuracy):
    return rounds([accuracy])


def by_target(at):
    """An accuracy that tells targets, seeds and rules apart."""
    accuracy = 0.5 + 0.1 * int(at["attack.target"]) + 0.01 * int(at["seed"])
    return round(accuracy + (0.003 if at.get("rule") == "median" else 0), 4)


def cells(row, metric="accuracy"):
    return {kind: row[metric, kind][0] for kind in ("ours", "paper", "difference")}


class SilentPointTest(MadeReports):
    """Points some of which have no figure to give, or were warned of."""

    def records(self, at):
        chosen = {} if at["seed"] == "3" else {"delta": 4 - int(at["seed"]) / 2}
        return trained(0.9) + [stage("adjust_weights", 0.8, zeroed_weights=int(at["seed"]), **chosen)]

    def test_a_figure_of_some_seeds_says_of_how_many(self):
        self.report(self.sweep("some", {"seed": [1, 2, 3]}, self.records))
        row = self.page.tables["some-stages"]["", "adjust_weights"]
        self.assertEqual(row[None, "n"][0], "3")
        self.assertEqual(row["zeroed_weights", "deviation"][0], "± 1")
        self.assertEqual(row["delta", "ours"][0], "3.25")
        self.assertEqual(row["delta", "deviation"][0], "± 0.35 (n 2)")

    def test_warnings_stand_once_each_with_their_points(self):
        folder = self.sweep("warned", {"seed": [1, 2, 3]}, self.records)
        for seed in (1, 3):
            file = folder / f"seed={seed}" / "summary.json"
            file.write_text(json.dumps(json.loads(file.read_text()) | {"warnings": ["<few> images"]}))
        self.report(folder)
        self.assertEqual(self.text.count("<few> images"), 1)
        self.assert_says('<p class="warning">seed=1; seed=3: <few> images</p>')


class RepeatedStageTest(MadeReports):
    def records(self, at):
        shift = 0.1 if at["rule"] == "b" else 0
        return trained(0.9) + [
            pruning([0.8 - shift, 0.7 - shift, 0.1]), stage("fine_tune", 0.75, rounds=2),
            pruning([0.6 - shift, 0.5 - shift, 0.2]), stage("fine_tune", 0.65, rounds=2)]

    def test_its_second_use_is_a_row_and_a_curve_of_its_own(self):
        published = [{"at": {"rule": "a"}, "stage": name, "values": {"accuracy": 0.6}}
                     for name in ("prune", "prune 2")]
        self.report(self.sweep("twice", {"rule": ["a", "b"]}, self.records,
                               paper={"published": published}))
        table = self.page.tables["twice-table-1"]
        self.assertEqual([name for point, name in table if point == "rule=a"],
                         ["training", "prune", "fine_tune", "prune 2", "fine_tune 2"])
        self.assertEqual(cells(table["rule=a", "prune"]),
                         {"ours": "70.0", "paper": "60.0", "difference": "+10.0"})
        self.assertEqual(cells(table["rule=a", "prune 2"]),
                         {"ours": "50.0", "paper": "60.0", "difference": "−10.0"})
        self.assert_says(">pruning 2</th>")
        drawing = self.drawing("twice-pruning")
        for panel, (name, expected) in enumerate(
                (("a-pruning", [0.8, 0.7, 0.1]), ("a-pruning-2", [0.6, 0.5, 0.2]))):
            shown = drawing.rates(f"series-accuracy-{name}", panel)
            self.assertEqual(len(shown), 3)
            for ours, value in zip(shown, expected):
                self.assertAlmostEqual(ours, value, delta=0.002)

    def test_paper_stages_name_every_use_or_one(self):
        for asked, shown in ((["prune"], ["prune", "prune 2"]), (["prune 2"], ["prune 2"])):
            with self.subTest(asked):
                name = f"asked-{len(shown)}"
                self.report(self.sweep(name, {"rule": ["a"]}, self.records,
                                       paper={"stages": asked}))
                self.assertEqual([s for _, s in self.page.tables[f"{name}-table-1"]], shown)

    def test_pipelines_under_defend_are_not_those_of_the_run(self):
        folder = self.run_of("run", trained(0.9) + [dict(pruning([0.9, 0.8, 0.1]), pipeline="p")])
        write_lines(folder / "defend" / "p" / "metrics.jsonl", [pruning([0.9, 0.4, 0.1])])
        self.report(folder)
        table = self.page.tables["run-table-1"]
        self.assertEqual(table["", "p/prune"]["accuracy", "ours"][0], "80.0")
        self.assertEqual(table["", "defend: p/prune"]["accuracy", "ours"][0], "40.0")
        self.assertIn("series-accuracy-defend-p", self.drawing("run-pruning").groups)


class IncompleteSweepTest(MadeReports):
    AXES = {"attack.target": [0, 1, 2], "seed": [1, 2], "rule": ["fedavg", "median"]}

    def only(self, *missing):
        def records(at):
            return None if any(m.items() <= at.items() for m in missing) else trained(by_target(at))
        return records

    def over_targets(self):
        return {"published": [{"at": {"rule": "fedavg"}, "stage": "training",
                               "values": {"accuracy": 0.5}}]}

    def test_says_which_points_are_missing_and_which_failed(self):
        failed = "attack.target=1,seed=2,rule=median"
        self.report(self.sweep("part", self.AXES, self.only({"attack.target": "2"}),
                               failed=[failed]))
        self.assert_says("4 of 12 points are not among these results: attack.target=2,seed=1,"
                      "rule=fedavg; attack.target=2,seed=1,rule=median; ")
        self.assert_says(f"Points that failed and are in no mean: {failed}.")
        self.assert_says("7 of 12 runs: attack.target (3)")
        row = self.page.tables["part-table-1"]["attack.target=1,rule=median", "training"]
        self.assertEqual(row[None, "n"][0], "1 of 2")

    def test_names_a_dozen_of_many_missing_points(self):
        axes = dict(self.AXES, seed=list(range(1, 11)))
        self.report(self.sweep("many", axes, lambda at: trained(by_target(at)) if
                               at["seed"] == "1" else None))
        self.assert_says("54 of 60 points are not among these results")
        self.assert_says("; and 42 more.")

    def test_says_nothing_of_a_complete_sweep(self):
        self.report(self.sweep("whole", self.AXES, self.only(), paper=self.over_targets()))
        self.assert_says_not('class="warning"')
        self.assert_says(">12 runs: attack.target (3)")
        row = self.page.tables["whole-average-1"]["rule=fedavg", "training"]
        self.assertEqual(row[None, "points"][0], "3")
        self.assertEqual(row[None, "n"][0], "2")
        self.assertEqual(cells(row), {"ours": "61.5", "paper": "50.0", "difference": "+11.5"})

    def test_names_the_only_place_that_has_results(self):
        def records(at):
            return rounds([0.2, by_target(at)]) if at["attack.target"] == "0" else None
        self.report(self.sweep("first", self.AXES, records, paper=self.over_targets()))
        self.assertIn("attack.target=0,rule=fedavg", [p for p, _ in
                                                     self.page.tables["first-table-1"]])
        self.assert_says('<th rowspan="1" scope="col">target</th>')
        self.assertIn("Of target 0 only.", self.caption("first-training"))

    def test_a_mean_over_some_places_has_no_difference_to_one_over_all(self):
        self.report(self.sweep("some", self.AXES, self.only({"attack.target": "2"}),
                               paper=self.over_targets()))
        row = self.page.tables["some-average-1"]["rule=fedavg", "training"]
        self.assertEqual(row[None, "points"][0], "2 of 3")
        self.assertEqual(cells(row), {"ours": "56.5", "paper": "50.0", "difference": "–"})
        self.assert_says("where ours is over some of them, no difference is given")

    def test_a_place_of_the_only_results_is_not_taken_for_the_mean(self):
        self.report(self.sweep("one", self.AXES, self.only({"attack.target": "1"},
                                                           {"attack.target": "2"}),
                               paper=self.over_targets()))
        row = self.page.tables["one-average-1"]["rule=fedavg", "training"]
        self.assertEqual(row[None, "points"][0], "1 of 3")
        self.assertNotIn(("accuracy", "paper"), self.page.tables["one-table-1"][
            "attack.target=0,rule=fedavg", "training"])

    def test_a_repetition_that_lacks_points_is_left_out_of_a_mean_over_them(self):
        self.report(self.sweep("lacks", self.AXES, self.only({"attack.target": "2", "seed": "2"}),
                               paper=self.over_targets()))
        row = self.page.tables["lacks-average-1"]["rule=fedavg", "training"]
        self.assertEqual((row[None, "points"][0], row[None, "n"][0]), ("3", "1 of 2"))
        self.assertEqual(cells(row), {"ours": "61.0", "paper": "50.0", "difference": "+11.0"})
        self.assert_says("The mean of training, rule fedavg leaves out seed 2, which has 2 of 3 "
                         "points.")

    def test_a_point_that_ended_without_the_stage_is_not_missing(self):
        def records(at):
            tuned = [stage("fine_tune", 0.7)] if at["rule"] == "median" else []
            return trained(by_target(at)) + tuned
        published = [{"at": {}, "stage": "fine_tune", "values": {"accuracy": 0.6}}]
        self.report(self.sweep("stages", self.AXES, records, paper={"published": published}))
        row = self.page.tables["stages-average-1"]["", "fine_tune"]
        self.assertEqual(row[None, "points"][0], "3")
        self.assertEqual(row["accuracy", "difference"][0], "+10.0")

    def test_points_that_differ_in_several_axes_are_named_by_all(self):
        def records(at):
            pair = (at["attack.target"], at["rule"])
            there = pair in (("0", "fedavg"), ("1", "median"))
            return rounds([0.2, by_target(at)]) if there else None
        self.report(self.sweep("cross", self.AXES, records))
        self.assertEqual([t for t in self.drawing("cross-training").texts() if "target" in t],
                         ["target 0 · fedavg", "target 1 · median"])

    def test_a_training_that_points_share_is_one_while_some_lack_seeds(self):
        def records(at):
            if (at["attack.target"], at["seed"], at["rule"]) == ("0", "2", "median"):
                return None
            return rounds([0.2, by_target({**at, "rule": "fedavg"})])
        self.report(self.sweep("shared", self.AXES, records))
        drawing = self.drawing("shared-training")
        self.assertEqual([text for text in drawing.texts() if "target" in text],
                         ["target 0", "target 1", "target 2"])
        self.assertAlmostEqual(drawing.rates("series-accuracy-target-0", 0)[-1], 0.515, delta=0.002)

    def test_a_file_without_a_sweep_block_leaves_the_results_to_tell(self):
        folder = self.sweep("bare", self.AXES, self.only({"attack.target": "2"}))
        (folder / "sweep.yaml").write_text("name: bare")
        self.report(folder)
        self.assert_says_not("not among these results")
        self.assert_says("8 runs: attack.target (2)")


class PaperBlockTest(MadeReports):
    AXES = {"seed": [1, 2], "rule": ["fedavg", "median"]}

    def records(self, at):
        return rounds([0.5, 0.6]) + [stage("prune", 0.55, pruned_channels=3)]

    def report_with(self, **paper):
        self.report(self.sweep("asked", self.AXES, self.records, paper=paper))

    def entry(self, stage="training", at=None, **values):
        return {"at": at or {"rule": "fedavg"}, "stage": stage, "values": values}

    def test_a_figure_of_one_seed_stands_beside_no_mean(self):
        self.report_with(published=[self.entry(at={"rule": "fedavg", "seed": "1"}, accuracy=0.41)])
        self.assert_says_not(">41.0<")
        self.assert_says("Published for one place of seed, while ours are means over it: "
                      "accuracy of training, rule fedavg, seed 1.")

    def test_says_why_a_published_figure_is_not_shown(self):
        self.report_with(stages=["training"], published=[
            self.entry(accuracy=0.4, loss=2), self.entry("prune", accuracy=0.3),
            self.entry("distill", accuracy=0.2)])
        self.assert_says("but paper.stages does not name the stage: accuracy of pruning, rule "
                      "fedavg.")
        self.assert_says("but not among these results: loss of training, rule fedavg; accuracy of "
                      "distill, rule fedavg.")

    def test_says_that_a_metric_is_published_but_not_asked_for(self):
        self.report_with(published=[self.entry("prune", pruned_channels=4)])
        self.assert_says("but paper.metrics does not name the metric: pruned channels of pruning, "
                      "rule fedavg.")

    def test_says_that_a_figure_is_published_twice(self):
        self.report_with(published=[self.entry(accuracy=0.4), self.entry(accuracy=0.45)])
        self.assert_says("Published more than once for one place; the first stands in the tables: "
                      "accuracy of training, rule fedavg: 40.0 and 45.0.")
        row = self.page.tables["asked-table-1"]["rule=fedavg", "training"]
        self.assertEqual(row["accuracy", "paper"][0], "40.0")

    def test_says_which_names_no_result_has(self):
        self.report_with(metrics=["accuracy", "acuracy"], stages=["training", "trainig"])
        self.assert_says("Asked for, but in no result: paper.metrics: acuracy; "
                      "paper.stages: trainig.")

    def test_an_axis_is_not_for_two_things(self):
        for i, (paper, text) in enumerate((
                ({"tables_by": "seed"}, "paper.tables_by: found seed"),
                ({"x": "seed"}, "paper.x: found seed"),
                ({"x": "rule", "average": "rule"}, "paper.x: found rule"),
                ({"x": "rule", "tables_by": "rule"}, "paper.x: found rule"))):
            with self.subTest(paper):
                folder = self.sweep(f"two-{i}", self.AXES, self.records, paper=paper)
                self.fail_with([f"{folder / 'sweep.yaml'}: {text}"], folder)

    def test_an_axis_is_not_called_as_what_is_shown(self):
        for name in ("stage", "pipeline", "point", "accuracy"):
            with self.subTest(name):
                folder = self.sweep(f"called-{name}", {name: ["low", "high"]}, self.records)
                self.fail_with([f"axis {'' if name == 'accuracy' else 'is called '}{name}",
                                "give it another name"], folder)

    def test_an_axis_may_be_called_as_what_a_stage_chose(self):
        self.report(self.sweep("chose", {"rule": ["a", "b"], "delta": [2, 3]},
                               lambda at: rounds([0.5]) + [stage("adjust_weights", 0.4)],
                               paper={"metrics": ["accuracy", "attack_success_rate"]}))
        row = self.page.tables["chose-stages"]["rule=a,delta=3", "adjust_weights"]
        self.assertEqual(row["delta", "ours"][0], "3")

    def test_what_was_set_on_the_command_line_is_in_the_command(self):
        folder = self.sweep("set", self.AXES, self.records,
                            overrides=["federation.rounds=2", "data.directory=my data"])
        self.report(folder)
        self.assert_says(f"redoubt sweep {folder / 'sweep.yaml'} --set federation.rounds=2 "
                      "--set 'data.directory=my data' --output again")
        (folder / "overrides.json").write_text('{"federation.rounds": 2}')
        self.fail_with([f"{folder / 'overrides.json'}: must be a list"], folder)


if __name__ == "__main__":
    leave_unless_modules()
    unittest.main()
