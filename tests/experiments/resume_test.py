"""Runs that are stopped, at any moment and in any way, and finished later: to the same bits."""

import json
import random
import signal
import time
import unittest

from program import RUN_FILES, ProgramTest, metrics, small_experiment


class InterruptedRunTest(ProgramTest):
    """Starts runs, interrupts them, and compares what comes of them with an undisturbed run."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # One thread and enough work to a round that a kill lands where it is aimed.
        cls.experiment = small_experiment(cls.data_folder, threads=1)
        cls.experiment["federation"]["local"]["epochs"] = 2

    def setUp(self):
        super().setUp()
        self.file = self.write_experiment(self.experiment)
        self.interrupted = self.output / "small"

    def arguments(self, *options):
        return ["run", self.file, "--output", self.output, *options]

    def lines_written(self):
        try:
            return (self.interrupted / "metrics.jsonl").read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0

    def kill_after_lines(self, count, *options, wait=0.0):
        """Starts or resumes the run; kills it a moment after `count` lines are there."""
        process = self.start(*self.arguments("--resume", *options))
        deadline = time.monotonic() + 120
        while process.poll() is None and self.lines_written() < count:
            self.assertLess(time.monotonic(), deadline, "the run makes no progress")
            time.sleep(0.0005)
        time.sleep(wait)
        process.kill()
        return process.wait()

    def finish_and_compare(self, expected, *options):
        self.succeed(*self.arguments("--resume", *options))
        self.assert_same_results(self.interrupted, expected)
        self.assertEqual(sorted(path.name for path in self.interrupted.iterdir()), RUN_FILES)
        self.assertEqual(
            sorted(path.name for path in (self.interrupted / "checkpoint").iterdir()),
            ["state.safetensors", "trained.safetensors"],
        )
        summary = json.loads((self.interrupted / "summary.json").read_text())
        self.assertEqual(
            summary["stages"], json.loads((expected / "summary.json").read_text())["stages"]
        )

    def remove_run(self):
        for path in sorted(self.interrupted.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        if self.interrupted.exists():
            self.interrupted.rmdir()


class KilledRunTest(InterruptedRunTest):
    """kill -9."""

    def test_finishes_to_the_same_bits(self):
        expected = self.run_to_end(self.file, output=self.folder / "undisturbed")
        self.assertEqual(len(metrics(expected)), 13)
        # In training; with the last round just written; after pruning; in fine-tuning; after it.
        kills = 0
        for count in (1, 3, 6, 7, 9, 11, 12):
            with self.subTest(lines=count):
                kills += self.kill_after_lines(count) == -signal.SIGKILL
                self.finish_and_compare(expected)
                self.remove_run()
        # On a busy machine the last ones may come too late.
        self.assertGreater(kills, 3)

    def test_finishes_after_being_killed_again_and_again(self):
        expected = self.run_to_end(self.file, output=self.folder / "undisturbed")
        rng = random.Random(5)
        kills = 0
        for _ in range(60):
            done = self.lines_written()
            code = self.kill_after_lines(done + rng.randrange(2), wait=rng.random() * 0.02)
            kills += code == -signal.SIGKILL
            if (self.interrupted / "summary.json").exists():
                break
        self.assertGreater(kills, 5)
        self.finish_and_compare(expected)

    def test_finishes_after_being_killed_before_it_began(self):
        expected = self.run_to_end(self.file, output=self.folder / "undisturbed")
        for milliseconds in range(0, 40, 8):
            process = self.start(*self.arguments())
            time.sleep(milliseconds / 1000)
            process.kill()
            process.wait()
            self.finish_and_compare(expected)
            self.remove_run()
        # What no sleep is sure to hit: the first file half written.
        self.interrupted.mkdir()
        (self.interrupted / "experiment.yaml.part").write_text("name: sm")
        self.finish_and_compare(expected)

    def test_goes_back_to_the_last_checkpoint(self):
        """Lines after the last checkpoint are written anew."""
        every = ["--set", "output.checkpoint_every=3"]
        expected = self.run_to_end(self.file, *every, output=self.folder / "undisturbed")
        for count in (2, 5, 8, 10):
            with self.subTest(lines=count):
                self.kill_after_lines(count, *every, wait=0.01)
                self.finish_and_compare(expected, *every)
                self.remove_run()

    def test_keeps_the_best_round_and_tests_every_other(self):
        best = ["--set", "federation.keep=best", "--set", "federation.local.optimizer.lr=0.3",
                "--set", "federation.evaluate_every=2"]
        expected = self.run_to_end(self.file, *best, output=self.folder / "undisturbed")
        for count in (4, 6, 8):
            with self.subTest(lines=count):
                self.kill_after_lines(count, *best)
                self.finish_and_compare(expected, *best)
                self.remove_run()

    def test_may_go_on_with_other_threads_and_checkpoints(self):
        expected = self.run_to_end(self.file, output=self.folder / "undisturbed")
        self.kill_after_lines(4)
        self.finish_and_compare(expected, "--threads", "2", "--set", "output.checkpoint_every=2")

    def test_resumed_without_a_run_starts_one(self):
        expected = self.run_to_end(self.file, output=self.folder / "undisturbed")
        self.finish_and_compare(expected)


class StoppedRunTest(InterruptedRunTest):
    """Ctrl-C and kill: the round is finished, a checkpoint left, the exit code 130."""

    def test_leaves_a_checkpoint(self):
        never = [
            "--set",
            "output.checkpoint_every=0",
            "--set",
            "defense.after_training=[{prune: {channels: 1}}, {fine_tune: {rounds: 20}}]",
        ]
        expected = self.run_to_end(self.file, *never, output=self.folder / "undisturbed")
        for number, count in ((signal.SIGINT, 2), (signal.SIGTERM, 8)):
            process = self.start(*self.arguments("--resume", *never))
            while process.poll() is None and self.lines_written() < count:
                time.sleep(0.0005)
            process.send_signal(number)
            self.assertEqual(process.wait(), 130)
            self.assertTrue((self.interrupted / "checkpoint" / "state.safetensors").exists())
            self.assertFalse((self.interrupted / "summary.json").exists())
            # Nothing of what was done is done again.
            self.assertGreaterEqual(self.lines_written(), count)
            done = (self.interrupted / "metrics.jsonl").read_bytes()
            self.assertTrue((expected / "metrics.jsonl").read_bytes().startswith(done))
        self.finish_and_compare(expected, *never)


class UnresumableRunTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.file = self.write_experiment(small_experiment(self.data_folder, defense={}))
        self.run_folder = self.run_to_end(self.file)

    def contents(self):
        return {path: path.read_bytes() for path in self.run_folder.rglob("*") if path.is_file()}

    def resume(self, *options):
        return ["run", self.file, "--output", self.output, "--resume", *options]

    def resume_fails(self, expected, *options):
        before = self.contents()
        self.fail_with(expected, *self.resume(*options))
        self.assertEqual(self.contents(), before)

    def test_finished(self):
        before = self.contents()
        printed = self.succeed(*self.resume())
        self.assertIn("finished", printed)
        self.assertIn("training", printed, "the table is shown again")
        self.assertEqual(self.contents(), before)

    def test_finished_with_damaged_metrics(self):
        (self.run_folder / "metrics.jsonl").write_text('{"stage": "round", "rou')
        self.resume_fails([str(self.run_folder / "metrics.jsonl") + ":1", "damaged"])

    def test_damaged_metrics_of_a_run_that_is_to_go_on(self):
        (self.run_folder / "summary.json").unlink()
        path = self.run_folder / "metrics.jsonl"
        whole = path.read_text()
        for there, damage, expected in (
            ('"stage":"round"', '"stage":["round"]', 'stage is ["round"]; it must be a text'),
            ('"round":1,', '"round":"1",', 'round is "1"; it must be a whole number'),
            ('"accuracy":', '"accuracy":{},"lost":', "accuracy is {}; it must be a number"),
            ('"training_loss":', '"training_loss":"', "no record of a round or a stage"),
        ):
            path.write_text(whole.replace(there, damage, 1))
            size = len(whole.encode())
            result = self.call(*self.resume())
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn(f"{path}:1: damaged: ", result.stderr)
            self.assertIn(expected, result.stderr)
            self.assertEqual(path.stat().st_size, size, "cut back to the checkpoint, no more")

    def test_damaged_metrics_of_another_run_whose_training_is_taken(self):
        path = self.run_folder / "metrics.jsonl"
        lines = path.read_text().splitlines()
        other = self.folder / "other"
        for line, expected in (
            ('{"stage": 1}', "stage is 1; it must be a text"),
            ('{"stage": null}', "stage is null; it must be a text"),
            ("[]", "no record of a round or a stage"),
            ("{}", "stage is not there; it must be a text"),
            ('{"stage": "best_round"}', "round is not there; it must be a whole number"),
            ('{"stage": "round", "round": "2"}', 'round is "2"; it must be a whole number'),
            ('{"stage": "round", "round": 2, "loss": "0.1"}', 'loss is "0.1"; it must be a number'),
        ):
            path.write_text("\n".join([lines[0], line, *lines[2:]]) + "\n")
            self.fail_with([f"{path}:2: damaged: ", expected], "run", self.file, "--output", other,
                           "--training-of", self.run_folder)
            self.assertFalse(other.exists())

    def test_of_another_experiment(self):
        (self.run_folder / "summary.json").unlink()
        self.resume_fails(
            [str(self.run_folder / "experiment.yaml"), '"seed: 3"', '"seed: 4"'], "--set", "seed=4"
        )
        self.resume_fails(['"rounds: 6"', '"rounds: 7"'], "--set", "federation.rounds=7")
        self.resume_fails(
            ['"after_training: []"', "fine_tune"],
            "--set",
            "defense.after_training=[{fine_tune: {rounds: 1}}]",
        )

    def test_damaged_experiment(self):
        (self.run_folder / "experiment.yaml").write_text("name: [")
        self.resume_fails([str(self.run_folder / "experiment.yaml"), "no valid YAML"])

    def test_damaged_checkpoint(self):
        (self.run_folder / "summary.json").unlink()
        state = self.run_folder / "checkpoint" / "state.safetensors"
        whole = state.read_bytes()
        for content, expected in (
            (b"", "too short"),
            (whole[:50], "does not fit into the file"),
            (whole[:-4], "outside the file"),
            (whole + b"    ", "left over"),
            (whole.replace(b"redoubt-checkpoint-4", b"redoubt-checkpoint-9"), "not a checkpoint"),
            (whole.replace(b'"next_round":"7"', b'"next_round":"9"'), 'next_round is "9"'),
            (whole.replace(b"metrics_bytes", b"metrics_bites"), "metrics.jsonl was"),
        ):
            self.assertNotEqual(content, whole)
            state.write_bytes(content)
            self.resume_fails([str(state), expected])

    def test_checkpoint_of_another_model(self):
        (self.run_folder / "summary.json").unlink()
        other = self.run_to_end(
            self.file, "--set", "model.layers=[{dense: 10}]", output=self.folder / "other"
        )
        (self.run_folder / "checkpoint" / "state.safetensors").write_bytes(
            (other / "checkpoint" / "state.safetensors").read_bytes()
        )
        self.resume_fails(
            [str(self.run_folder / "checkpoint" / "state.safetensors"), "does not fit the model"]
        )

    def test_metrics_that_were_cut(self):
        (self.run_folder / "summary.json").unlink()
        path = self.run_folder / "metrics.jsonl"
        path.write_bytes(path.read_bytes()[:-1])
        self.resume_fails([str(path), "shorter than the checkpoint says"])
        path.unlink()
        self.resume_fails([str(path), "shorter than the checkpoint says"])


if __name__ == "__main__":
    unittest.main()
