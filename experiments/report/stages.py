"""What a stage is called: `training`, `prune`, `pipeline/prune`, and `prune 2` for the second of
its kind in a pipeline."""

import re

ROUND = "round"  # a round of training
TRAINING = "training"  # what results.csv calls the end of training
OF_TRAINING = (ROUND, "best_round", TRAINING)
FAILED = "failed"  # a point of a sweep, or a pipeline that ended early


def is_round(kind):
    """Whether records of this kind are of rounds; all else is a stage."""
    return kind in OF_TRAINING or kind.endswith("_round")


def is_training(stage):
    """Of a stage's name in tables."""
    return stage == TRAINING


def with_repeats(records):
    """Copies of one point's records, in their order. Where a pipeline has a stage of some kind more
    than once, its second has `repeat` 2, and so on: they are different steps, not repetitions."""
    counts, named = {}, []
    for record in records:
        record = dict(record)
        if not is_round(record["stage"]):
            key = (record.get("pipeline") or "", record["stage"])
            counts[key] = counts.get(key, 0) + 1
            if counts[key] > 1:
                record["repeat"] = counts[key]
        named.append(record)
    return named


def stage_name(record):
    """A record's name in tables, from what `with_repeats` returned."""
    stage = TRAINING if record["stage"] in OF_TRAINING else record["stage"]
    if record.get("repeat"):
        stage += f" {record['repeat']}"
    pipeline = record.get("pipeline")
    return f"{pipeline}/{stage}" if pipeline else stage


def without_pipeline(stage):
    return stage.split("/")[-1]


def without_repeat(stage):
    return re.sub(r" \d+$", "", stage)


def kind_of(stage):
    """`prune` of `pipeline/prune 2`."""
    return without_repeat(without_pipeline(stage))
