"""What a run says of itself beside its figures: warnings, what attackers hold, the file that training
started from."""

import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from program import PROGRAM, ProgramTest, metrics, small_experiment


class WarnedTest(ProgramTest):
    def run_small(self, name="small", **changes):
        """The lines on standard error and summary.json."""
        experiment = small_experiment(self.data_folder, name=name, **changes)
        result = self.call("run", self.write_experiment(experiment), "--output", self.output, "--quiet")
        self.assertEqual(result.returncode, 0, result.stderr)
        summary = json.loads((self.output / name / "summary.json").read_text())
        # So small a data set is always warned of for being small.
        summary["warnings"] = [text for text in summary["warnings"] if "one standard error" not in text]
        warnings = [line for line in result.stderr.splitlines() if "one standard error" not in line]
        return warnings, summary

    def test_says_what_clients_and_attackers_hold(self):
        # Of 360 images, 36 a label, 15 sets of labels take as many of each as two holders can have.
        warnings, summary = self.run_small()
        self.assertEqual(len(warnings), 1)
        self.assertIn("clients hold 270 of 360 images", warnings[0])
        self.assertEqual(summary["training_images"], 15 * 18)
        (attacker,) = summary["attacker_images"]
        self.assertEqual((attacker["images"], attacker["poisonable"]), (3 * 18, 18))

    def test_warns_on_the_screen_and_in_the_summary(self):
        usual = small_experiment(self.data_folder)
        data = dict(usual["data"], partition="iid")
        self.assertEqual(self.run_small("sound", data=data, attack=dict(usual["attack"], victim="all"))[0], [])
        attack = dict(usual["attack"], scale=1e30, from_round=3)
        warnings, summary = self.run_small(data=data, attack=attack)
        self.assertEqual([f"warning: {text}" for text in summary["warnings"]], warnings)
        idle, diverged = warnings
        self.assertIn("in 7 of 10 rounds no update was used", idle)
        self.assertIn("the model has diverged: after round 3", diverged)
        lines = metrics(self.output / "small")
        self.assertIn("attack_success_rate", lines[1])
        self.assertNotIn("attack_success_rate", lines[2])

    def test_a_level_without_an_attack_success_keeps_its_place(self):
        attack = small_experiment(self.data_folder)["attack"]
        self.run_small(attack=dict(attack, scale=3e18))
        for line in metrics(self.output / "small"):
            if "level_attack_success_rate" in line:
                self.assertEqual(len(line["level_attack_success_rate"]), len(line["level_accuracy"]))

    def test_tests_the_model_that_it_was_given_where_no_round_is_trained(self):
        self.run_small("first")
        model = {"initial": str(self.output / "first" / "model.safetensors"),
                 **small_experiment(self.data_folder)["model"]}
        federation = dict(small_experiment(self.data_folder)["federation"], rounds=0)
        _, summary = self.run_small("second", model=model, federation=federation)
        last = json.loads((self.output / "first" / "summary.json").read_text())["stages"][-1]
        first = summary["stages"][0]
        self.assertEqual((first["stage"], first["round"]), ("round", 0))
        for name in ("accuracy", "attack_success_rate", "loss"):
            self.assertEqual(first[name], last[name])


class InitialTest(ProgramTest):
    """A run from a model file, and what becomes of it when that file is another."""

    def setUp(self):
        super().setUp()
        start = small_experiment(self.data_folder, name="start")
        self.succeed("run", self.write_experiment(start), "--output", self.output)
        self.initial = self.output / "start" / "model.safetensors"
        model = {"initial": str(self.initial), **start["model"]}
        self.file = self.write_experiment(small_experiment(self.data_folder, model=model))
        self.succeed(*self.again())

    def again(self, *options):
        return ["run", self.file, "--output", self.output, *options]

    def change_initial(self):
        other = small_experiment(self.data_folder, name="other", seed=8)
        self.succeed("run", self.write_experiment(other, "other.yaml"), "--output", self.output)
        shutil.copy(self.output / "other" / "model.safetensors", self.initial)

    def test_is_finished_whether_the_file_is_there_or_not(self):
        self.assertIn("the run is finished", self.succeed(*self.again("--resume")))
        self.initial.unlink()
        self.assertIn("the run is finished", self.succeed(*self.again("--resume")))
        self.fail_with([str(self.initial), "cannot open"], *self.again("--overwrite"))

    def test_is_not_taken_for_one_from_another_file(self):
        self.change_initial()
        self.fail_with(["initial_checksum", "resume with the same settings"], *self.again("--resume"))
        noted = self.output / "small" / "experiment.yaml"
        self.fail_with(["model.initial_checksum is ", str(self.initial), "null: any"],
                       "run", noted, "--output", self.folder / "elsewhere")
        self.succeed("run", noted, "--output", self.folder / "elsewhere", "--set",
                     "model.initial_checksum=null")

    def test_of_before_checksums_is_compared_by_name(self):
        noted = self.output / "small" / "experiment.yaml"
        lines = [line for line in noted.read_text().splitlines() if "initial_checksum" not in line]
        noted.write_text("\n".join(lines) + "\n")
        self.change_initial()
        self.assertIn("the run is finished", self.succeed(*self.again("--resume")))

    def test_prunes_only_what_is_left(self):
        """Said before the first round; a model is measured all the same."""
        start = small_experiment(self.data_folder)
        pruned = len(json.loads((self.output / "start" / "summary.json").read_text())
                     ["stages"][1]["order"])
        experiment = json.loads(self.file.read_text())
        experiment["defense"] = {"after_training": [{"prune": {"channels": pruned - 1}}]}
        self.assertEqual(pruned, start["model"]["layers"][3]["conv"]["channels"])
        self.fail_with(["prune.channels is 7 after ", "must keep one"], "run",
                       self.write_experiment(dict(experiment, name="more")), "--output", self.output)


class ClosedTerminalTest(ProgramTest):
    def after_a_hangup(self, **options):
        """The exit code of a run whose terminal was closed after its second round."""
        experiment = small_experiment(self.data_folder, threads=1)
        experiment["federation"].update(rounds=40)
        run = self.start("run", self.write_experiment(experiment), "--output", self.output, **options)
        lines = self.output / "small" / "metrics.jsonl"
        deadline = time.monotonic() + 60
        while not lines.exists() or lines.read_bytes().count(b"\n") < 2:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)
        run.send_signal(signal.SIGHUP)
        return run.wait()

    def test_stops_a_run_that_then_goes_on(self):
        self.assertEqual(self.after_a_hangup(), 130)
        self.succeed("run", self.folder / "experiment.yaml", "--output", self.output, "--resume")

    def test_does_not_stop_one_that_began_with_nohup(self):
        ignore = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
        self.assertEqual(self.after_a_hangup(**ignore), 0)

    def test_output_that_cannot_be_written_is_an_error(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        file = self.write_experiment()
        for command in (["check", file], ["check", "--schema"], ["list"]):
            with open("/dev/full", "w", encoding="utf-8") as full:
                result = subprocess.run([PROGRAM, *map(str, command)], stdout=full, check=False,
                                        stderr=subprocess.PIPE, text=True)
            self.assertEqual(result.returncode, 2, result.stderr)
            told = [line for line in result.stderr.splitlines() if not line.startswith("warning: ")]
            self.assertEqual(len(told), 1, result.stderr)
            self.assertTrue(told[0].startswith("redoubt: "), result.stderr)


if __name__ == "__main__":
    unittest.main()
