"""The names of files in the folders of runs and sweeps; the program has them in
experiments/run/run_files.h."""

EXPERIMENT = "experiment.yaml"
METRICS = "metrics.jsonl"
SUMMARY = "summary.json"
EXAMPLES = "examples.safetensors"
DEFENDED = f"defend/*/{METRICS}"  # of pipelines that were applied later
ROUND_TENSORS = "round-*.safetensors"  # what a rule left of rounds of training

SWEEP = "sweep.yaml"
OVERRIDES = "overrides.json"
RESULTS = "results.csv"
PRINTED = "printed"
