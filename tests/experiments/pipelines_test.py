"""Several pipelines of stages on one trained model: in a run, after a stop, and by `redoubt defend`."""

import json
import signal
import time
import unittest

from program import ProgramTest, metrics, small_experiment

PRUNE = {"prune": {"vote": "ranking", "stop": {"accuracy_drop": 0.05}}}
TUNE = {"fine_tune": {"rounds": 3, "lr": 0.02}}
ADJUST = {"adjust_weights": {"delta": 2}}
LIMIT = {"limit_inputs": {"margin": 60}}
PIPELINES = {"whole": [PRUNE, TUNE, ADJUST], "adjust only": [ADJUST], "tune": [TUNE, PRUNE],
             "limit": [LIMIT, TUNE]}


class PipelinesTest(ProgramTest):
    def experiment(self, after_training, **changes):
        experiment = small_experiment(self.data_folder, **changes)
        experiment["defense"] = {"after_training": after_training}
        return self.write_experiment(experiment, f"{len(list(self.folder.iterdir()))}.yaml")

    def pipeline_file(self, after_training, name="stages.yaml"):
        path = self.folder / name
        path.write_text(json.dumps({"after_training": after_training}))
        return path

    def alone(self, stages):
        """A run whose only stages are these."""
        count = len(list(self.folder.glob("alone*")))
        return self.run_to_end(self.experiment(stages), output=self.folder / f"alone{count}")

    @staticmethod
    def stage_lines(folder, pipeline=None):
        """Everything after training, of one pipeline."""
        lines = [line for line in metrics(folder) if line["stage"] != "round"]
        lines = [line for line in lines if line.get("pipeline") == pipeline]
        for line in lines:
            line.pop("pipeline", None)
        return lines

    def test_each_starts_from_the_trained_model(self):
        folder = self.run_to_end(self.experiment(PIPELINES))
        summary = json.loads((folder / "summary.json").read_text())
        self.assertEqual(
            [(line.get("pipeline"), line["stage"]) for line in summary["stages"]],
            [(None, "round"), ("whole", "prune"), ("whole", "fine_tune"),
             ("whole", "adjust_weights"), ("adjust only", "adjust_weights"),
             ("tune", "fine_tune"), ("tune", "prune"),
             ("limit", "limit_inputs"), ("limit", "fine_tune")],
        )
        for name, stages in PIPELINES.items():
            alone = self.alone(stages)
            self.assertEqual(self.stage_lines(folder, name), self.stage_lines(alone), name)
            self.assertEqual(
                (folder / "pipelines" / f"{name}.safetensors").read_bytes(),
                (alone / "model.safetensors").read_bytes(),
                name,
            )
        self.assertEqual(
            (folder / "model.safetensors").read_bytes(),
            (self.alone([]) / "model.safetensors").read_bytes(),
        )

    def test_one_that_cannot_go_on_ends_alone(self):
        # Only the run can know that the first stage leaves one channel.
        pipelines = {"too far": [{"prune": {"stop": {"accuracy_drop": 1}}}, {"prune": {"channels": 1}}],
                     "tune": [TUNE]}
        file = self.experiment(pipelines)
        run = self.call("run", file, "--output", self.output)
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertIn("pipeline too far ended early: prune: prune.channels is 1", run.stderr)
        folder = self.output / "small"
        self.assertEqual([path.name for path in (folder / "pipelines").iterdir()], ["tune.safetensors"])
        lines = self.stage_lines(folder, "too far")
        self.assertEqual([line["stage"] for line in lines], ["prune", "failed"])
        self.assertEqual([line["step"] for line in lines if "step" in line], [1])
        self.assertIn("failed", run.stdout)
        again = self.call("run", file, "--output", self.output, "--resume")
        self.assertEqual(again.returncode, 2, "as the run itself")
        # What `defend` makes of them is the same.
        defended = self.call("defend", self.alone([]), self.pipeline_file(pipelines))
        self.assertEqual(defended.returncode, 2)
        self.assertIn("too far ended early: prune: prune.channels is 1", defended.stderr)
        self.assertIn("tune", defended.stdout)

    def test_a_sweep_shows_the_other_pipelines_of_a_point(self):
        experiment = small_experiment(self.data_folder, sweep={"seed": [1]})
        experiment["defense"] = {"after_training": {
            "too far": [{"prune": {"stop": {"accuracy_drop": 1}}}, {"prune": {"channels": 1}}],
            "tune": [TUNE]}}
        ended = self.call("sweep", self.write_experiment(experiment), "--output", self.output)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertIn("pipeline too far FAILED: prune: ", ended.stdout)
        table = (self.output / "small" / "results.csv").read_text().splitlines()
        rows = [dict(zip(table[0].split(","), line.split(","))) for line in table[1:]]
        self.assertEqual([row["stage"] for row in rows], ["training", "prune", "failed", "fine_tune"])
        self.assertEqual([row["step"] for row in rows], ["", "1", "", "1"])
        self.assertEqual([bool(row["seconds"]) for row in rows], [True, False, False, False])

    def test_defend_does_what_the_run_would_have_done(self):
        run = self.alone([ADJUST, TUNE])
        before = (run / "metrics.jsonl").read_bytes()
        printed = self.succeed("defend", run, self.pipeline_file(PIPELINES),
                               self.pipeline_file([PRUNE], "prune-alone.yaml"))
        self.assertEqual(
            sorted(path.name for path in (run / "defend").iterdir()),
            ["adjust only", "limit", "prune-alone", "tune", "whole"],
        )
        for name, stages in {**PIPELINES, "prune-alone": [PRUNE]}.items():
            self.assertIn(name, printed)
            alone = self.alone(stages)
            folder = run / "defend" / name
            self.assertEqual(self.stage_lines(folder), self.stage_lines(alone), name)
            self.assertEqual((folder / "model.safetensors").read_bytes(),
                             (alone / "model.safetensors").read_bytes())
            stages = json.loads((folder / "summary.json").read_text())["stages"]
            self.assertEqual(stages[-1], self.stage_lines(alone)[-1])
        self.assertEqual((run / "metrics.jsonl").read_bytes(), before)
        # What it wrote describes the pipeline: it can be applied elsewhere.
        other = self.alone([])
        self.succeed("defend", other, run / "defend" / "tune" / "pipeline.yaml")
        self.assert_same_results(other / "defend" / "pipeline", run / "defend" / "tune")

    def test_the_model_of_a_run_is_what_was_measured(self):
        noise = {"clients": 1, "untargeted": {"noise": {"deviation": 0.05}}}
        for changes in ({"attack": noise}, {"rule": {"norm-bound": {"norm": 2, "noise": 0.02}}}):
            experiment = small_experiment(self.data_folder)
            experiment["defense"] = {"after_training": [{"prune": {"channels": 4}}, TUNE]}
            experiment["attack"] = changes.get("attack")
            experiment["defense"]["rule"] = changes.get("rule", "fedavg")
            file = self.write_experiment(experiment)
            run = self.run_to_end(file, "--overwrite")
            printed = self.succeed("evaluate", run / "model.safetensors", run / "experiment.yaml")
            for key, value in json.loads(printed).items():
                self.assertEqual(value, metrics(run)[-1][key], changes)

    def test_what_was_made_of_a_run_goes_with_it(self):
        file = self.experiment([ADJUST])
        run = self.run_to_end(file)
        self.succeed("defend", run, self.pipeline_file([TUNE]))
        (run / "round-3.safetensors").write_bytes(b"fragments of the run before")
        self.succeed("run", file, "--output", self.output, "--overwrite")
        self.assertFalse((run / "defend").exists())
        self.assertFalse((run / "round-3.safetensors").exists())
        self.assertTrue((run / "model.safetensors").exists())

    def test_goes_on_in_the_middle_of_a_pipeline(self):
        file = self.experiment(PIPELINES)
        whole = self.run_to_end(file, output=self.folder / "whole")
        lines = len((whole / "metrics.jsonl").read_text().splitlines())
        stopped = 0
        for after in range(7, lines, 2):
            output = self.folder / f"stopped{after}"
            run = self.start("run", file, "--output", output)
            path = output / "small" / "metrics.jsonl"
            while run.poll() is None:
                if path.exists() and path.read_text().count("\n") >= after:
                    run.send_signal(signal.SIGKILL if after % 4 == 1 else signal.SIGTERM)
                    break
                time.sleep(0.0005)
            stopped += run.wait() != 0
            self.succeed("run", file, "--output", output, "--resume")
            self.assert_same_results(output / "small", whole)
            for name in PIPELINES:
                self.assertEqual(
                    (output / "small" / "pipelines" / f"{name}.safetensors").read_bytes(),
                    (whole / "pipelines" / f"{name}.safetensors").read_bytes(),
                )
        self.assertGreater(stopped, 2, "some runs were stopped on their way")

    def test_says_what_is_wrong(self):
        self.fail_with("must fit as a folder's name", "check", self.experiment({"a/b": [TUNE]}))
        self.fail_with("did you mean \"prune\"", "check", self.experiment({"x": [{"prun": {}}]}))
        self.fail_with("conv2", "check", self.experiment({"x": [{"prune": {"layer": "conv9"}}]}))
        run = self.alone([ADJUST])
        good = self.pipeline_file([TUNE])
        self.fail_with("holds no run", "defend", self.folder, good)
        self.fail_with("cannot read", "defend", run, self.folder / "none.yaml")
        self.fail_with("holds no after_training", "defend", run,
                       self.pipeline_file([], "empty.yaml"))
        self.fail_with("unknown key", "defend", run, self.experiment([ADJUST]))
        self.fail_with("conv2", "defend", run,
                       self.pipeline_file([{"prune": {"layer": "conv9"}}], "layer.yaml"))
        self.assertFalse((run / "defend").exists())
        self.succeed("defend", run, good)
        self.fail_with("--overwrite", "defend", run, good)
        self.succeed("defend", run, good, "--overwrite")
        self.fail_with("is there already", "defend", run, good, good, "--overwrite")
        (run / "summary.json").unlink()
        self.fail_with("not finished", "defend", run, good, "--overwrite")


if __name__ == "__main__":
    unittest.main()
