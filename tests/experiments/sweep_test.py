"""`redoubt sweep`: points side by side, resumed, failing alone; results.csv."""

import csv
import json
import signal
import time
import unittest

from program import ProgramTest, metrics, small_experiment

POINTS = ["seed=1,attack=none", "seed=1,attack=strong", "seed=2,attack=none", "seed=2,attack=strong"]

PAPER = {
    "title": "A table",
    "published": [{"at": {"attack": "strong"}, "stage": "training", "values": {"accuracy": 0.9}}],
}


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
            small_experiment(self.data_folder, **{"sweep": sweep, "paper": PAPER, **changes})
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
        stages = ["training", "prune", "fine_tune", "adjust_weights"]
        self.assertEqual([row["point"] for row in rows], [p for p in POINTS for _ in stages])
        self.assertEqual([row["stage"] for row in rows], stages * len(POINTS))
        for row in rows:
            folder = self.output / "small" / row["point"]
            summary = json.loads((folder / "summary.json").read_text())
            stage = row["stage"].replace("training", "round")
            line = next(s for s in summary["stages"] if s["stage"] == stage)
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

    def test_trains_once_for_points_that_differ_in_their_stages_only(self):
        stages = {
            "none": {"defense.after_training": []},
            "adjust": {"defense.after_training": [{"adjust_weights": {"delta": 2}}]},
            "both": {"defense.after_training": {
                "prune": [{"prune": {"channels": 1}}], "tune": [{"fine_tune": {"rounds": 2}}]}},
        }
        file = self.sweep_file(
            sweep={"seed": [1, 2], "stages": stages}, paper={},
            federation={**small_experiment(self.data_folder)["federation"], "keep": "best"},
        )
        for jobs in ("1", "3"):
            output = self.folder / f"jobs{jobs}"
            self.succeed("sweep", file, "--output", output, "--jobs", jobs)
            for seed in (1, 2):
                trained = 0
                for name in stages:
                    point = f"seed={seed},stages={name}"
                    folder = output / "small" / point
                    # Only a run that trained itself logged its rounds.
                    trained += '"stage":"round"' in (folder / "run.log").read_text()
                    alone = self.run_to_end(
                        file, "--point", point, "--name", point,
                        output=self.folder / "alone" / jobs / str(seed) / name)
                    self.assert_same_results(folder, alone)
                self.assertEqual(trained, 1, f"seed {seed} is trained once")

    def test_takes_the_training_of_no_other_experiment(self):
        run = self.run_to_end(self.write_experiment(name="first.yaml"))
        other = self.write_experiment(
            small_experiment(self.data_folder, name="other", seed=2), "other.yaml")
        self.fail_with(["the run there has \"seed: 3\", this experiment has \"seed: 2\"",
                        "only name, output and stages"],
                       "run", other, "--output", self.output, "--training-of", run)
        self.fail_with("holds no run", "run", other, "--output", self.output, "--training-of",
                       self.folder)
        self.assertFalse((self.output / "other").exists())

    def test_runs_some_of_the_points_and_later_the_rest(self):
        file = self.sweep_file()
        printed = self.succeed("sweep", file, "--output", self.output, "--only", "seed=2")
        self.assertIn("2 of 4 points are done, 0 failed", printed)
        self.assertEqual({row["point"] for row in self.rows()}, set(POINTS[2:]))
        printed = self.succeed("sweep", file, "--output", self.output, "--only", "attack=none",
                               "--only", "seed=1", "--only", "seed=2")
        self.assertIn("3 of 4 points are done, 0 failed", printed)
        self.assertEqual(list(dict.fromkeys(row["point"] for row in self.rows())),
                         [POINTS[0], *POINTS[2:]])
        self.fail_with(["--only seed=3: no point is there", "did you mean \"seed=1\"?"],
                       "sweep", file, "--output", self.output, "--only", "seed=3")

    def test_fills_the_names_of_axes_into_values(self):
        start = self.run_to_end(self.write_experiment(name="start.yaml"))
        (start / "model.safetensors").rename(self.folder / "start-7.safetensors")
        layers = small_experiment(self.data_folder)["model"]["layers"]

        def file_with(initial):
            return self.sweep_file(
                sweep={"seed": [7]}, paper={}, model={"layers": layers, "initial": initial})

        file = file_with(f"{self.folder}/start-${{seed}}.safetensors")
        resolved = self.succeed("check", file, "--point", "seed=7")
        self.assertIn(f"initial: {self.folder}/start-7.safetensors", resolved)
        self.fail_with(["model.initial: found ${sed}, which names no axis",
                        "did you mean \"seed\"?"], "check", file_with("start-${sed}"))
        self.fail_with("names no axis", "check", file_with("start-${seed"))

    def test_says_what_is_wrong_with_a_paper_block(self):
        for paper, messages in (
            ({"table": 1}, ["paper.table: unknown key", "did you mean \"title\"?"]),
            ({"x": "sed"}, ["paper.x: found \"sed\", which is no axis", "did you mean \"seed\"?"]),
            ({"x": "attack"}, ["paper.x: found attack, whose place \"none\" is no number"]),
            ({"published": [{"stage": "training", "at": {"attack": "stron"}, "values": {"a": 1}}]},
             ["paper.published[0].at.attack: found \"stron\"", "did you mean \"strong\"?"]),
            ({"published": [{"stage": "training", "at": {"rule": "krum"}, "values": {"a": 1}}]},
             ["found \"rule\", which is no axis of the sweep; it may be seed or attack"]),
            ({"published": [{"at": {}, "values": {"accuracy": 1}}]}, ["found no stage"]),
            ({"published": [{"stage": "prune", "values": {"accuracy": "high"}}]},
             ["paper.published[0].values.accuracy: found \"high\"; it must be a number"]),
        ):
            for command in ("check", "sweep"):
                self.fail_with(messages, command, self.sweep_file(paper=paper))
    def test_of_other_settings_leaves_the_results_that_are_there(self):
        file = self.sweep_file()
        self.succeed("sweep", file, "--output", self.output)
        table = (self.output / "small" / "results.csv").read_bytes()
        changed = ["sweep", file, "--output", self.output, "--set", "federation.rounds=2"]
        self.fail_with(["the run there has \"rounds: 6\"", "seed=1,attack=none"], *changed)
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
            self.fail_with("found the point " + point, "check", self.sweep_file(sweep=axes, paper={}))
        parts = {"attack": {"wide": {"attack.trigger": {"pixels": 9}}}, "attack.trigger.value": [9]}
        self.succeed("check", self.sweep_file(sweep=parts, paper={}))

    def test_goes_on_when_a_point_fails(self):
        # More labels than the data has classes: only the data can tell.
        sweep = {"data.partition.labels": [3, 11]}
        file = self.sweep_file(sweep=sweep, paper={})
        result = self.call("sweep", file, "--output", self.output)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertIn("data.partition.labels=11  FAILED (2): redoubt: ", result.stdout)
        self.assertIn("1 of 2 points are done, 1 failed", result.stdout)
        self.assertEqual(
            [row["stage"] for row in self.rows()],
            ["training", "prune", "fine_tune", "adjust_weights", "failed"],
        )

    def test_checks_every_point_before_the_first_runs(self):
        file = self.sweep_file(sweep={"federation.clients": [5, 0]}, paper={})
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
