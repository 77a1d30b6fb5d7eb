"""The program as a user calls it: what each command prints, and what a run leaves."""

import json
import unittest

from program import RUN_FILES, ProgramTest, metrics, small_experiment, write_small_mnist


class RunTest(ProgramTest):
    def test_leaves_a_folder_of_everything(self):
        file = self.write_experiment()
        printed = self.succeed("run", file, "--output", self.output)
        folder = self.output / "small"
        self.assertEqual(sorted(path.name for path in folder.iterdir()), RUN_FILES)
        self.assertEqual(
            sorted(path.name for path in (folder / "checkpoint").iterdir()),
            ["state.safetensors", "trained.safetensors"],
        )
        lines = metrics(folder)
        self.assertEqual(
            [line["stage"] for line in lines],
            ["round"] * 6 + ["prune"] + ["fine_tune_round"] * 4 + ["fine_tune", "adjust_weights"],
        )
        self.check_rounds(lines)
        self.check_summary(folder, lines)
        self.assertEqual(
            (folder / "experiment.yaml").read_text(),
            # Where the program ran is settled; nothing else is.
            self.succeed("check", file, "--set", f"output.directory={self.output}",
                         "--device", "cpu"),
        )
        log = (folder / "run.log").read_text()
        for line in (folder / "metrics.jsonl").read_text().splitlines():
            self.assertIn(line, log)
        for word in (
            "accuracy",
            "attack success",
            "training",
            "prune",
            "fine_tune",
            "adjust_weights",
        ):
            self.assertIn(word, printed)

    def check_rounds(self, lines):
        rounds = [line for line in lines if line["stage"].endswith("round")]
        self.assertEqual([line["round"] for line in rounds], list(range(1, 11)))
        for line in lines:
            self.assertTrue(0 <= line["accuracy"] <= 1, line)
            self.assertTrue(0 <= line["attack_success_rate"] <= 1, line)
            # 100 test images, of which 10 are of the victim class.
            self.assertAlmostEqual(line["accuracy"] * 100, round(line["accuracy"] * 100), 9)
            self.assertAlmostEqual(
                line["attack_success_rate"] * 10, round(line["attack_success_rate"] * 10), 9
            )
        for line in rounds:
            self.assertEqual(line["clients"], 5)
            self.assertEqual(line["rejected_updates"], 0)
            self.assertGreater(line["training_loss"], 0)
            # 360 images for five clients of three labels: each label has one or two holders, each
            # client 3 · 18 images; the attacker adds a stamped copy of its 18 of the victim class.
            self.assertEqual(line["images"], 5 * 54 + 18)
        self.assertGreater(rounds[5]["accuracy"], 0.8, "easy images are learnt")
        self.assertGreater(rounds[5]["accuracy"], rounds[0]["accuracy"])

    def check_summary(self, folder, lines):
        summary = json.loads((folder / "summary.json").read_text())
        self.assertEqual(summary["name"], "small")
        self.assertEqual(summary["seed"], 3)
        self.assertEqual(summary["device"], "cpu")
        self.assertEqual("redoubt " + summary["version"], self.succeed("--version").strip())
        self.assertEqual(summary["stages"], [lines[5], lines[6], lines[11], lines[12]])
        self.assertGreater(summary["seconds"], 0)
        self.assertGreater(summary["peak_memory_megabytes"], 1)

    def test_makes_the_same_bits_with_any_threads_waves_and_name(self):
        file = self.write_experiment()
        first = self.run_to_end(file, "--threads", "1")
        for number, options in enumerate(
            (
                ["--threads", "2"],
                ["--threads", "3", "--set", "federation.wave=2"],
                ["--set", "output.checkpoint_every=0"],
            )
        ):
            other = self.run_to_end(file, *options, output=self.folder / f"other{number}")
            self.assert_same_results(other, first)

    def test_depends_on_the_seed(self):
        file = self.write_experiment()
        first = self.run_to_end(file)
        other = self.run_to_end(file, "--set", "seed=4", output=self.folder / "other")
        self.assertNotEqual(
            (other / "metrics.jsonl").read_bytes(), (first / "metrics.jsonl").read_bytes()
        )

    def test_resolved_file_reproduces_the_run(self):
        file = self.write_experiment()
        first = self.run_to_end(file, "--set", "federation.rounds=3", "--set", "attack.scale=full")
        again = self.run_to_end(first / "experiment.yaml", output=self.folder / "again")
        self.assert_same_results(again, first)
        ours, theirs = ((folder / "experiment.yaml").read_text() for folder in (again, first))
        self.assertEqual(ours.replace(str(self.folder / "again"), str(self.output)), theirs)

    def test_overrides_what_the_file_says(self):
        file = self.write_experiment()
        folder = self.run_to_end(
            file,
            "--set",
            "federation.rounds=2",
            "--set",
            "name=other",
            "--set",
            "defense.after_training=[]",
            "--set",
            "attack=null",
            "--device",
            "cpu",
        )
        self.assertEqual(folder.name, "other")
        lines = metrics(folder)
        self.assertEqual(len(lines), 2)
        self.assertNotIn("attack_success_rate", lines[0])
        self.assertIn("device: cpu\n", (folder / "experiment.yaml").read_text())

    def test_writes_into_runs_by_default(self):
        self.succeed(
            "run",
            self.write_experiment(),
            "--set",
            "federation.rounds=0",
            "--set",
            "defense.after_training=[]",
        )
        self.assertTrue((self.folder / "runs" / "small" / "summary.json").exists())

    def test_quiet_prints_the_table_only(self):
        printed = self.succeed("run", self.write_experiment(), "--quiet")
        self.assertNotIn("round ", printed)
        self.assertEqual(len(printed.strip().splitlines()), 2 + 4 + 1)

    def test_learns_procedural_images(self):
        for dataset in ("synthetic-gray", "synthetic-color"):
            experiment = small_experiment(
                self.data_folder,
                attack=None,
                defense={},
                name=dataset,
                data={
                    "dataset": dataset,
                    "train_samples": 1500,
                    "validation_samples": 0,
                    "partition": "iid",
                },
                model={
                    "layers": [
                        {"conv": {"channels": 8, "kernel": 5}},
                        "relu",
                        {"max_pool": 2},
                        {"conv": {"channels": 16, "kernel": 3}},
                        "relu",
                        {"max_pool": 2},
                        {"dense": 10},
                    ]
                },
                federation={
                    "clients": 2,
                    "rounds": 2,
                    "local": {"epochs": 2, "batch": 32, "optimizer": {"lr": 0.03, "momentum": 0.9}},
                },
            )
            self.succeed(
                "run", self.write_experiment(experiment, f"{dataset}.yaml"), "--output", self.output
            )
            self.assertGreater(metrics(self.output / dataset)[-1]["accuracy"], 0.9, dataset)


class ExistingRunTest(ProgramTest):
    def test_is_not_overwritten_unless_asked(self):
        file = self.write_experiment()
        folder = self.run_to_end(file)
        before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        self.fail_with(
            [str(folder), "--resume", "--overwrite", "--output"],
            "run",
            file,
            "--output",
            self.output,
        )
        self.assertEqual(
            {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}, before
        )
        self.succeed("run", file, "--output", self.output, "--overwrite", "--set", "seed=9")
        self.assertNotEqual((folder / "metrics.jsonl").read_bytes(), before["metrics.jsonl"])
        self.succeed("run", file, "--output", self.output, "--overwrite")
        self.assertEqual((folder / "metrics.jsonl").read_bytes(), before["metrics.jsonl"])
        self.assertEqual((folder / "model.safetensors").read_bytes(), before["model.safetensors"])
        self.assertEqual(len(metrics(folder)), 13)

    def test_leaves_other_folders_alone(self):
        (self.output / "small").mkdir(parents=True)
        (self.output / "small" / "thesis.txt").write_text("mine")
        for option in ([], ["--overwrite"], ["--resume"]):
            self.fail_with(
                "holds no run", "run", self.write_experiment(), "--output", self.output, *option
            )
        self.assertEqual([path.name for path in (self.output / "small").iterdir()], ["thesis.txt"])


class NormalizationTest(ProgramTest):
    """What images are normalised by goes with the model."""

    def test_a_model_is_measured_as_it_was_trained(self):
        file = self.write_experiment()
        folder = self.run_to_end(file)
        model = folder / "model.safetensors"
        summary = json.loads((folder / "summary.json").read_text())
        own = json.loads(self.succeed("evaluate", model, file))
        self.assertEqual(own["accuracy"], summary["stages"][-1]["accuracy"])
        other = self.call("evaluate", model, file, "--set", "data.normalize=unit")
        self.assertEqual(json.loads(other.stdout), own)
        mean = f"{summary['normalization']['mean'][0]:.5f}"
        self.assertRegex(other.stderr, f"^redoubt: .*model.safetensors was trained on images normalised by mean {mean}")
        # A part of the images is normalised by all of them.
        part = self.call("evaluate", model, file, "--set", "data.train_samples=100")
        self.assertEqual((json.loads(part.stdout), part.stderr), (own, ""))

    def test_another_data_set_of_the_same_name_is_no_resumption(self):
        file = self.write_experiment()
        self.run_to_end(file)
        (self.output / "small" / "summary.json").unlink()
        other = self.folder / "other"
        write_small_mnist(other, seed=2)
        settings = (self.output / "small" / "experiment.yaml").read_text()
        self.write_experiment(small_experiment(other))
        (self.output / "small" / "experiment.yaml").write_text(
            settings.replace(str(self.data_folder), str(other)))
        self.fail_with('the run there has "mean: [', "run", file, "--output", self.output, "--resume")


class CheckTest(ProgramTest):
    def test_prints_every_key_and_writes_nothing(self):
        file = self.write_experiment()
        printed = self.succeed("check", file, "--set", "federation.rounds=77")
        self.assertIn("rounds: 77", printed)
        for key in (
            "seed",
            "device",
            "precision",
            "data",
            "model",
            "federation",
            "attack",
            "defense",
            "output",
            "lr_decay",
            "initialization",
            "poison",
            "accuracy_drop",
        ):
            self.assertIn(f"{key}:", printed)
        self.assertEqual(list(self.folder.iterdir()), [file])
        resolved = self.folder / "resolved.yaml"
        resolved.write_text(printed)
        self.assertEqual(self.succeed("check", resolved), printed)

    def test_does_not_need_the_data_or_the_device(self):
        experiment = small_experiment(self.folder / "nowhere", device="cuda")
        result = self.call("check", self.write_experiment(experiment))
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stderr, "^redoubt: checked without the images: data set mnist was")


class ListTest(ProgramTest):
    def test_shows_what_can_be_named(self):
        printed = self.succeed("list")
        names = [line.split()[0] for line in printed.splitlines() if line.startswith("  ")]
        for name in (
            "cpu",
            "automatic",
            "columns",
            "implicit",
            "cudnn",
            "direct",
            "mnist",
            "fashion-mnist",
            "cifar10",
            "synthetic-gray",
            "synthetic-color",
            "pfl-cifar",
            "resnet18",
            "resnet8",
            "toy4",
            "wu-mnist",
            "wu-mnist-small",
            "wu-fashion",
            "wu-cifar",
            "conv",
            "relu",
            "max_pool",
            "average_pool",
            "dropout",
            "dense",
            "iid",
            "k-label",
            "dirichlet",
            "pixels",
            "fedavg",
            "prune",
            "fine_tune",
            "adjust_weights",
        ):
            self.assertIn(name, names)


class EvaluateTest(ProgramTest):
    def test_measures_what_the_run_measured(self):
        file = self.write_experiment()
        folder = self.run_to_end(file)
        before = sorted(self.folder.rglob("*"))
        result = json.loads(self.succeed("evaluate", folder / "model.safetensors", file))
        last = metrics(folder)[-1]
        self.assertEqual(result["accuracy"], last["accuracy"])
        self.assertEqual(result["attack_success_rate"], last["attack_success_rate"])
        self.assertEqual(sorted(self.folder.rglob("*")), before, "evaluate writes nothing")

    def test_takes_another_trigger(self):
        file = self.write_experiment()
        folder = self.run_to_end(file, "--set", "defense.after_training=[]")
        model = folder / "model.safetensors"
        elsewhere = json.loads(
            self.succeed(
                "evaluate",
                model,
                file,
                "--set",
                "attack.trigger.row=2",
                "--set",
                "attack.trigger.column=2",
            )
        )
        there = json.loads(self.succeed("evaluate", model, file))
        self.assertEqual(there["accuracy"], elsewhere["accuracy"])
        self.assertGreater(there["attack_success_rate"], elsewhere["attack_success_rate"])
        clean = json.loads(self.succeed("evaluate", model, file, "--set", "attack=null"))
        self.assertEqual(sorted(clean), ["accuracy", "loss"])


if __name__ == "__main__":
    unittest.main()
