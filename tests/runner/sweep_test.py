"""`redoubt sweep`: points side by side, resumed, failing alone; results.csv."""

import csv
import json
import signal
import time
import unittest

from program import ProgramTest, metrics, small_experiment

POINTS = ["seed=1,attack=none", "seed=1,attack=strong", "seed=2,attack=none", "seed=2,attack=strong"]


class SweepTest(ProgramTest):
    def sweep_file(self, **changes):
        sweep = {
            "seed": [1, 2],
            "attack": {
                "none": {"attack": None},
                "strong": {"attack.scale": 4, "attack.clients": [0, 1]},
            },
        }
        return self.write_experiment(
            small_experiment(self.data_folder, **{"sweep": sweep, "paper": {"table": 1}, **changes})
        )

    def rows(self):
        with (self.output / "small" / "results.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def test_runs_every_point_and_writes_one_table(self):
        file = self.sweep_file()
        printed = self.succeed("sweep", file, "--output", self.output)
        self.assertEqual(sorted(line.split("  ")[0] for line in printed.splitlines()[:4]), POINTS)
        self.assertIn("4 of 4 points are done, 0 failed", printed)
        rows = self.rows()
        stages = ["round", "prune", "fine_tune", "adjust_weights"]
        self.assertEqual([row["point"] for row in rows], [p for p in POINTS for _ in stages])
        self.assertEqual([row["stage"] for row in rows], stages * len(POINTS))
        for row in rows:
            folder = self.output / "small" / row["point"]
            summary = json.loads((folder / "summary.json").read_text())
            line = next(s for s in summary["stages"] if s["stage"] == row["stage"])
            self.assertEqual(row["point"], f"seed={row['seed']},attack={row['attack']}")
            self.assertEqual(float(row["accuracy"]), line["accuracy"])
            self.assertEqual(row["attack_success_rate"] == "", row["attack"] == "none")
            self.assertNotIn("order", row)

    def test_a_point_is_the_run_with_its_keys_set(self):
        file = self.sweep_file()
        alone = self.run_to_end(file, "--point", "seed=2,attack=strong")
        plain = self.write_experiment(name="plain.yaml")
        same = self.run_to_end(
            plain, "--set", "seed=2", "--set", "attack.scale=4", "--set", "attack.clients=[0, 1]",
            output=self.folder / "same",
        )
        self.assert_same_results(alone, same)
        self.succeed("sweep", file, "--output", self.folder / "all", "--jobs", "2")
        of_sweep = self.folder / "all" / "small" / "seed=2,attack=strong"
        self.assertEqual(metrics(of_sweep), metrics(same))

    def test_goes_on_after_an_interruption_without_repeating(self):
        file = self.sweep_file()
        whole = self.folder / "whole"
        self.succeed("sweep", file, "--output", whole)
        sweep = self.start("sweep", file, "--output", self.output, "--jobs", "1")
        done = self.output / "small" / POINTS[0] / "summary.json"
        while not done.exists():
            time.sleep(0.005)
        sweep.send_signal(signal.SIGTERM)
        self.assertEqual(sweep.wait(), 130)
        stamp = done.stat().st_mtime_ns
        self.assertFalse((self.output / "small" / POINTS[3] / "summary.json").exists())
        self.succeed("sweep", file, "--output", self.output)
        self.assertEqual(done.stat().st_mtime_ns, stamp)
        for point in POINTS:
            self.assert_same_results(self.output / "small" / point, whole / "small" / point)
        self.assertEqual(len(self.rows()), 16)

    def test_of_other_settings_leaves_the_results_that_are_there(self):
        file = self.sweep_file()
        self.succeed("sweep", file, "--output", self.output)
        table = (self.output / "small" / "results.csv").read_bytes()
        changed = ["sweep", file, "--output", self.output, "--set", "federation.rounds=2"]
        self.fail_with(["the run to resume has \"rounds: 6\"", "seed=1,attack=none"], *changed)
        self.assertEqual((self.output / "small" / "results.csv").read_bytes(), table)
        # One point more: the others are not lost while it runs, nor if it is all that is stopped.
        more = self.sweep_file(sweep={"seed": [1, 2, 4], "attack": {
            "none": {"attack": None}, "strong": {"attack.scale": 4, "attack.clients": [0, 1]}}})
        sweep = self.start("sweep", more, "--output", self.output, "--jobs", "1")
        while not (self.output / "small" / "seed=4,attack=none" / "metrics.jsonl").exists():
            time.sleep(0.005)
        sweep.send_signal(signal.SIGTERM)
        self.assertEqual(sweep.wait(), 130)
        self.assertEqual((self.output / "small" / "results.csv").read_bytes()[:len(table)], table)

    def test_refuses_what_would_make_a_points_name_wrong(self):
        file = self.sweep_file()
        for key in ("seed=7", "attack.scale=2", "attack={clients: 2}"):
            self.fail_with([f"--set {key}: the sweep sets ", "(point seed=1,attack=none)"],
                           "sweep", file, "--output", self.output, "--set", key)
        self.assertFalse(self.output.exists())
        none = {"none": {"attack": None}, "some": {}}
        for axes, point in (
            ({"attack.scale": [2, 3], "attack": {"strong": {"attack.scale": 4}}},
             "attack.scale=2,attack=strong, where one axis sets attack.scale=2"),
            ({"attack.scale": [2, 3], "attack": none}, "attack.scale=2,attack=none"),
            ({"attack": none, "attack.scale": [2, 3]}, "attack=none,attack.scale=2"),
        ):
            self.fail_with("found the point " + point, "check", self.sweep_file(sweep=axes))
        parts = {"attack": {"wide": {"attack.trigger": {"pixels": 9}}}, "attack.trigger.value": [9]}
        self.succeed("check", self.sweep_file(sweep=parts))

    def test_goes_on_when_a_point_fails(self):
        # More labels than the data has classes: only the data can tell.
        sweep = {"data.partition.labels": [3, 11]}
        file = self.sweep_file(sweep=sweep)
        result = self.call("sweep", file, "--output", self.output)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertIn("data.partition.labels=11  FAILED (2): redoubt: ", result.stdout)
        self.assertIn("1 of 2 points are done, 1 failed", result.stdout)
        self.assertEqual(
            [row["stage"] for row in self.rows()],
            ["round", "prune", "fine_tune", "adjust_weights", "failed"],
        )

    def test_checks_every_point_before_the_first_runs(self):
        file = self.sweep_file(sweep={"federation.clients": [5, 0]})
        self.fail_with(["federation.clients", "(point federation.clients=0)"], "sweep", file,
                       "--output", self.output)
        self.assertFalse(self.output.exists())
        self.fail_with("(point federation.clients=0)", "check", file)
        self.assertEqual(self.succeed("check", self.sweep_file()).splitlines(), POINTS)

    def test_says_what_is_wrong_with_a_sweep(self):
        for sweep, message in (
            ([], "a map of axes"),
            ({"seed": 1}, "sweep.seed: found \"1\"; it must be a list of values"),
            ({"seed": [1, 1]}, "found 1 twice"),
            ({"attack.clients": [[0, 1]]}, "sweep.attack.clients[0]: found a list"),
            ({"model.initial": ["a/b"]}, "may hold no '/'"),
            ({"rule": {"krum": "krum"}}, "sweep.rule.krum: found \"krum\"; it must be a map"),
        ):
            self.fail_with(message, "sweep", self.sweep_file(sweep=sweep))
        file = self.sweep_file()
        self.fail_with(["a sweep of 4 points", "--point seed=1,attack=none"], "run", file)
        self.fail_with("no point \"seed=3\"", "run", file, "--point", "seed=3")
        plain = self.write_experiment(name="plain.yaml")
        self.fail_with("has no `sweep` block", "sweep", plain)
        self.fail_with("no point seed=1", "run", plain, "--point", "seed=1")


if __name__ == "__main__":
    unittest.main()
