"""What keeps results whole and rightly named: locks, names of axes, what a folder may hold."""

import fcntl
import json
import os
import signal
import struct
import time
import unittest

from program import ProgramTest, metrics, small_experiment

STRONG = {"none": {"attack": None}, "strong": {"attack.scale": 4, "attack.clients": [0, 1]}}


class SweepFolderTest(ProgramTest):
    def sweep_file(self, sweep, **changes):
        return self.write_experiment(small_experiment(self.data_folder, sweep=sweep, **changes))

    def wait_for(self, path):
        for _ in range(4000):
            if path.exists():
                return
            time.sleep(0.005)
        self.fail(f"{path} never came")

    def start_sweep(self, rounds, seeds=(1,), **options):
        """A sweep, its file and its points' folders, each with a checkpoint at least."""
        file = self.sweep_file({"seed": list(seeds), "federation.rounds": [rounds]})
        sweep = self.start("sweep", file, "--output", self.output, **options)
        points = [self.output / "small" / f"seed={seed},federation.rounds={rounds}"
                  for seed in seeds]
        for point in points:
            self.wait_for(point / "checkpoint" / "state.safetensors")
        return sweep, file, points

    def test_a_folder_has_one_worker_at_a_time(self):
        sweep, file, [point] = self.start_sweep(100000)
        self.fail_with([str(self.output / "small"), "another redoubt is at work there"],
                       "sweep", file, "--output", self.output)
        self.fail_with([str(point), "another redoubt is at work there"],
                       "run", file, "--point", point.name, "--name", point.name, "--resume",
                       "--output", self.output / "small")
        sweep.send_signal(signal.SIGTERM)
        self.assertEqual(sweep.wait(), 130)

    def test_points_stop_with_a_sweep_that_is_killed(self):
        sweep, file, [point] = self.start_sweep(100000)
        sweep.kill()
        sweep.wait()
        # The child finishes its round and lets go of the folder.
        arguments = ("run", file, "--point", point.name, "--name", point.name, "--output",
                     self.output / "small")
        for _ in range(400):
            result = self.call(*arguments)
            if "at work there" not in result.stderr:
                break
            time.sleep(0.02)
        self.assertIn("already holds a run; --resume continues it", result.stderr)

    def test_started_again_waits_for_the_points_of_a_killed_one(self):
        sweep, file, _ = self.start_sweep(300)
        sweep.kill()
        sweep.wait()
        printed = self.succeed("sweep", file, "--output", self.output)
        self.assertIn("1 of 1 points are done, 0 failed", printed)

    def test_a_group_that_is_stopped_saves_its_points(self):
        sweep, _, _ = self.start_sweep(100000, seeds=(1, 2), start_new_session=True)
        os.killpg(sweep.pid, signal.SIGTERM)
        self.assertEqual(sweep.wait(), 130)
        self.assertFalse((self.output / "small" / "results.csv").exists())

    def test_of_other_axes_is_not_replaced(self):
        self.succeed("sweep", self.sweep_file({"seed": [1]}), "--output", self.output)
        table = (self.output / "small" / "results.csv").read_bytes()
        self.fail_with(["holds a sweep over seed, this one is over seed, attack"],
                       "sweep", self.sweep_file({"seed": [1], "attack": STRONG}), "--output",
                       self.output)
        self.assertEqual((self.output / "small" / "results.csv").read_bytes(), table)

    def test_tells_which_points_summary_is_damaged(self):
        file = self.sweep_file({"seed": [1]})
        self.succeed("sweep", file, "--output", self.output)
        path = self.output / "small" / "seed=1" / "summary.json"
        whole = json.loads(path.read_text())
        for damage, expected in (
            ({"stages": 3}, "stages is 3; it must be a list"),
            ({"stages": [{"stage": 1}]}, "stages[0]: damaged: stage is 1; it must be a text"),
            ({"seconds": "long"}, 'seconds is "long"; it must be a number'),
        ):
            path.write_text(json.dumps(whole | damage))
            self.fail_with([f"{path}: ", expected], "sweep", file, "--output", self.output)
        path.write_text("{")
        self.fail_with([f"{path}: damaged: no summary of a run"], "sweep", file, "--output",
                       self.output)

    def test_holds_what_is_needed_to_run_it_again(self):
        experiment = small_experiment(self.data_folder, sweep={"seed": [1]})
        del experiment["name"]
        file = self.write_experiment(experiment, "nameless.yaml")
        self.succeed("sweep", file, "--output", self.output, "--set", "federation.rounds=2")
        folder = self.output / "nameless"
        overrides = json.loads((folder / "overrides.json").read_text())
        self.assertEqual(overrides, ["name=nameless", "federation.rounds=2"])
        again = self.folder / "again"
        sets = [word for override in overrides for word in ("--set", override)]
        self.succeed("sweep", folder / "sweep.yaml", "--output", again, *sets)
        self.assert_same_results(again / "nameless" / "seed=1", folder / "seed=1")
        # From its own copy into its own folder.
        self.succeed("sweep", folder / "sweep.yaml", "--output", self.output, *sets)

    def test_trains_anew_where_a_shared_training_was_deleted(self):
        stages = {"none": {"defense.after_training": []},
                  "adjust": {"defense.after_training": [{"adjust_weights": {"delta": 2}}]}}
        file = self.sweep_file({"stages": stages})
        self.succeed("sweep", file, "--output", self.output, "--only", "stages=none")
        first = self.output / "small" / "stages=none"
        for path in (first / "checkpoint").iterdir():
            path.unlink()
        self.succeed("sweep", file, "--output", self.output)
        lines = metrics(self.output / "small" / "stages=adjust")
        self.assertEqual(lines[-1]["stage"], "adjust_weights")

    def test_names_no_axis_as_a_column_of_the_table(self):
        for axis in ("stage", "pipeline", "point", "accuracy", "seconds"):
            self.fail_with(f"sweep.{axis}: found an axis called as a column",
                           "check", self.sweep_file({axis: STRONG}))
        self.fail_with("may hold no '/'", "check", self.sweep_file({"a/b": STRONG}))
        for key in ("threads", "name", "output.directory"):
            self.fail_with("which a sweep sets itself", "check", self.sweep_file({key: [1, 2]}))
        named = small_experiment(self.data_folder, name="x-${seed}", sweep={"seed": [1]})
        self.fail_with("a sweep sets it for each point", "check", self.write_experiment(named))

    def test_an_axis_stands_for_the_value_of_its_name(self):
        deltas = {str(d): {"defense.after_training": [{"adjust_weights": {"delta": d}}]}
                  for d in (3, 2)}
        self.succeed("sweep", self.sweep_file({"delta": deltas}), "--output", self.output)
        header = (self.output / "small" / "results.csv").read_text().splitlines()[0].split(",")
        self.assertEqual(header.count("delta"), 1)

    def test_a_point_is_what_its_name_says(self):
        contradiction = {"attack": {"both": {"attack.scale": 5, "attack": {"clients": 2}}}}
        self.fail_with("found attack.scale=5 and attack=", "check", self.sweep_file(contradiction))
        layers = small_experiment(self.data_folder)["model"]["layers"]
        file = self.sweep_file({"seed": [1], "model": {"same": {"model": {"layers": layers}}}},
                               model={"layers": layers, "initial": "start-${seed}.safetensors"})
        self.fail_with(["model.initial: names an axis, but the point", "sets model="],
                       "check", file)
        long = {f"federation.{'x' * 60}{i}": [1] for i in range(4)}
        self.fail_with("whose name is longer than 200", "check", self.sweep_file(long))

    def test_fills_axes_into_lists(self):
        stages = [{"prune": {"layer": "${layer}", "channels": None, "vote": "majority",
                             "rate": 0.25}},
                  {"adjust_weights": {"delta": "${reach}", "layer": "last"}}]
        axes = {"layer": {"conv1": {}, "conv2": {}}, "reach": {"2.5": {}, "null": {}}}
        file = self.sweep_file(axes, defense={"after_training": stages})
        resolved = self.succeed("check", file, "--point", "layer=conv1,reach=2.5")
        for text in ("layer: conv1", "channels: null", "rate: 0.25", "delta: 2.5"):
            self.assertIn(text, resolved)
        resolved = self.succeed("check", file, "--point", "layer=conv2,reach=null")
        self.assertIn("delta: null", resolved)

    def test_says_which_parts_of_a_paper_block_contradict_one_another(self):
        published = {"stage": "training", "values": {"accuracy": 0.9}}
        for paper, message in (
            ({"tables_by": "seed"}, "paper.tables_by: found seed, which is the axis of average"),
            ({"x": "seed"}, "paper.x: found seed, which is the axis of average"),
            ({"published": [{**published, "at": {"seed": "1"}}]}, "whose places are repetitions"),
            ({"published": [{**published, "values": {"attack_success_rate": 80}}]},
             "values.attack_success_rate: found \"80\"; it must be a share from 0 to 1"),
        ):
            self.fail_with(message, "check", self.sweep_file({"seed": [1, 2]}, paper=paper))
        self.fail_with("paper: belongs to a sweep", "check", self.write_experiment(
            small_experiment(self.data_folder, paper={"title": "alone"})))


class SecondsTest(ProgramTest):
    def test_of_a_resumed_run_are_those_of_all_sessions(self):
        experiment = small_experiment(self.data_folder)
        experiment["federation"]["rounds"] = 60
        file = self.write_experiment(experiment)
        run = self.start("run", file, "--output", self.output)
        state = self.output / "small" / "checkpoint" / "state.safetensors"
        while not state.exists():
            time.sleep(0.005)
        run.send_signal(signal.SIGTERM)
        self.assertEqual(run.wait(), 130)
        content = state.read_bytes()
        size = struct.unpack("<Q", content[:8])[0]
        seconds = json.loads(content[8:8 + size])["__metadata__"]["seconds"]
        self.assertGreater(float(seconds), 0)
        # As if the first session had been a long one.
        long = "9" * (len(seconds) - 2) + ".0"
        state.write_bytes(content.replace(f'"seconds":"{seconds}"'.encode(),
                                          f'"seconds":"{long}"'.encode()))
        self.succeed("run", file, "--output", self.output, "--resume")
        summary = json.loads((self.output / "small" / "summary.json").read_text())
        self.assertGreater(summary["seconds"], float(long))


class DefendTest(ProgramTest):
    def test_keeps_out_while_another_works_on_the_run(self):
        run = self.run_to_end(self.write_experiment())
        pipeline = self.folder / "other.yaml"
        pipeline.write_text(json.dumps({"after_training": {"p": [{"prune": {"channels": 1}}]}}))
        descriptor = os.open(run, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self.fail_with("another redoubt is at work there", "defend", run, pipeline)
        os.close(descriptor)
        self.succeed("defend", run, pipeline)

    def test_takes_no_name_of_the_runs_own_pipelines(self):
        pipelines = {"light": [{"prune": {"channels": 1}}]}
        run = self.run_to_end(self.write_experiment(
            small_experiment(self.data_folder, defense={"after_training": pipelines})))
        other = self.folder / "other.yaml"
        other.write_text(json.dumps({"after_training": {"light": [{"prune": {"channels": 3}}]}}))
        self.fail_with("a pipeline light is there already", "defend", run, other)


if __name__ == "__main__":
    unittest.main()
