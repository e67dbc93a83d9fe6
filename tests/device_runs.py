"""Updates of a tiny classifier on given devices; as a program, on two of them.

`python -m tests.device_runs FILE.npz` writes what two logical CPU devices computed, and
`python -m tests.device_runs FILE.npz token choice` trainings of these kinds of task. A
program of its own, as devices can be divided only before TensorFlow has started.
"""

import dataclasses
import json
import sys

import numpy as np
import tensorflow as tf

from bert_ja import (
  checkpoint,
  distribution,
  heads,
  modeling,
  optimization,
  train_step,
)
from bert_ja.data import input_pipeline
from bert_ja.tasks import kinds

BATCH_SIZE, NUM_STEPS, LENGTH = 12, 5, 16
NUM_CHOICES = 4
# Kind of task -> its labels.
LABELS = {
  "choice": [],
  "multi_label": ["a", "b"],
  "regression": ["number"],
  "sentence": ["a", "b", "c"],
  "token": ["O", "B-x", "I-x"],
}
CONFIG = modeling.BertConfig(
  vocab_size=37,
  hidden_size=8,
  num_hidden_layers=1,
  num_attention_heads=2,
  intermediate_size=12,
  max_position_embeddings=LENGTH,
  type_vocab_size=2,
  initializer_range=0.2,
)


@dataclasses.dataclass
class Trained:
  """What some updates gave."""

  values: dict
  weights: dict
  state_names: list
  kind: str = "sentence"

  def moved(self):
    """All weights less their first values, in one vector."""
    first = checkpoint.named_variables(new_classifier(kind=self.kind))
    return np.concatenate(
      [(self.weights[n] - v.numpy()).reshape(-1) for n, v in first.items()]
    )


def new_kind(name):
  return kinds.get(name)(LABELS[name])


def new_classifier(precision="float32", kind="sentence"):
  kind = new_kind(kind)
  return heads.HEADS[kind.head](
    CONFIG,
    kind.num_outputs,
    seed=1,
    precision=modeling.Precision.from_name(precision),
  )


def tiny_arrays(kind="sentence", num_rows=31):
  rng = np.random.default_rng(3)
  rows = [num_rows, NUM_CHOICES] if kind == "choice" else [num_rows]
  lengths = rng.integers(3, LENGTH + 1, [*rows, 1])
  num_labels = len(LABELS[kind])
  arrays = {
    "input_ids": rng.integers(0, 37, [*rows, LENGTH], np.int32),
    "input_mask": (np.arange(LENGTH) < lengths).astype(np.int32),
    "segment_ids": rng.integers(0, 2, [*rows, LENGTH], np.int32),
  }
  if kind == "choice":
    counts = rng.integers(2, NUM_CHOICES + 1, [num_rows, 1])
    arrays["choice_mask"] = (np.arange(NUM_CHOICES) < counts).astype(np.int32)
    arrays["label_ids"] = rng.integers(0, counts[:, 0], dtype=np.int32)
  elif kind == "multi_label":
    labels = rng.integers(0, 2, [num_rows, num_labels])
    arrays["label_ids"] = labels.astype(np.float32)
  elif kind == "regression":
    arrays["label_ids"] = rng.normal(size=num_rows).astype(np.float32)
  elif kind == "token":
    # Every piece is a word's first, but for [CLS] and [SEP].
    places = np.arange(1, LENGTH - 1)
    arrays["first_pieces"] = np.where(places < lengths - 1, places, 0).astype(np.int32)
    shape = [num_rows, LENGTH - 2]
    arrays["label_ids"] = rng.integers(0, num_labels, shape, np.int32)
  else:
    arrays["label_ids"] = rng.integers(0, num_labels, num_rows, np.int32)
  return arrays


def tiny_iterator(strategy, kind="sentence"):
  input_fn = input_pipeline.array_input_fn_builder(
    tiny_arrays(kind), LENGTH, True, input_pipeline.BatchOptions(pad_to_max_length=True)
  )

  def of_worker(context):
    size = context.get_per_replica_batch_size(BATCH_SIZE)
    params = {"batch_size": size, "input_context": context, "max_steps": NUM_STEPS}
    return input_fn(params)

  return iter(strategy.distribute_datasets_from_function(of_worker))


def train(
  strategy,
  calls=(NUM_STEPS,),
  precision="float32",
  loss_scale=None,
  kind="sentence",
  **step_options,
):
  """Updates without dropout, `calls` of them in each call of the device."""
  task = new_kind(kind)
  with strategy.scope(), tf.name_scope(""):
    model = new_classifier(precision, kind)
    variables = checkpoint.named_variables(model)
    scale = optimization.LossScale(loss_scale) if loss_scale else None
    optimizer = optimization.create_optimizer(1e-2, 10, 2, loss_scale=scale)
    optimizer.build(variables)
  step = train_step.TrainStep(
    lambda features, stream: task.loss(model(features), features),
    optimizer,
    variables,
    strategy,
    train_step.StepOptions(**step_options),
  )
  iterator = tiny_iterator(strategy, kind)
  parts = [step.run(iterator, count) for count in calls]
  values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
  return Trained(
    values,
    {n: v.numpy() for n, v in variables.items()},
    list(optimizer.state()),
    kind,
  )


def dropout_of_shares(strategy, step, parts=1, seed=0, jit_compile=False):
  """One number for the mask that each part of each replica's batch is given."""
  shares = strategy.num_replicas_in_sync * parts
  with strategy.scope():
    variables = {"w": tf.Variable(1.0)}
    optimizer = optimization.AdamWeightDecayOptimizer(0.0)
    optimizer.build(variables)

  def loss_fn(features, stream):
    kept = modeling.dropout(tf.ones([20]), 0.5, stream)
    number = tf.reduce_sum(kept * 2.0 ** -tf.range(20.0)) * variables["w"]
    return features["shown"] * number

  one_step = train_step.TrainStep(
    loss_fn,
    optimizer,
    variables,
    strategy,
    train_step.StepOptions(seed, parts, jit_compile),
  )
  # Row i is the only one of share i; the loss shows one share at a time.
  rows = np.eye(shares, dtype=np.float32).reshape(-1, parts)
  iterator = iter(
    strategy.distribute_datasets_from_function(
      lambda context: tf.data.Dataset.from_tensor_slices({"shown": rows})
    )
  )
  numbers = []
  for _ in range(shares):
    optimizer.global_step.assign(step)
    numbers.append(float(one_step.run(iterator, 1)["loss"][0]) * shares)
  return numbers


def update_large(strategy):
  """First elements of a variable of many elements, and its slots, after two updates."""
  with strategy.scope(), tf.name_scope(""):
    variables = {"w": tf.Variable(tf.ones([515, 512]))}
    optimizer = optimization.AdamWeightDecayOptimizer(
      0.1, weight_decay_rate=0.01, clip_norm=1.0
    )
    optimizer.build(variables)
  step = train_step.TrainStep(
    lambda features, stream: features["x"] * tf.reduce_sum(variables["w"] ** 2),
    optimizer,
    variables,
    strategy,
    train_step.StepOptions(),
  )
  rows = tf.data.Dataset.from_tensors({"x": tf.constant([1.0, 2.0])}).repeat()
  step.run(iter(strategy.distribute_datasets_from_function(lambda context: rows)), 2)
  return [float(v.numpy()[3, 4]) for v in (variables["w"], *optimizer.slots["w"])]


def load(file, run, kind="sentence"):
  """`Trained` of a run that `main` has written."""
  groups = {"values": {}, "weights": {}}
  with np.load(file) as stored:
    for name, array in stored.items():
      for group, found in groups.items():
        if name.startswith(f"{run}/{group}/"):
          found[name.removeprefix(f"{run}/{group}/")] = array
  return Trained(**groups, state_names=[], kind=kind)


def main(file, *names):
  strategy = distribution.create_strategy(distribution.RuntimeConfig(num_devices=2))
  facts = {"replicas": strategy.num_replicas_in_sync}
  if names:
    runs = {name: train(strategy, kind=name) for name in names}
  else:
    runs = {
      "plain": train(strategy),
      "scaled_parts": train(strategy, gradient_accumulation_steps=3, loss_scale=1024.0),
    }
    facts |= {
      "on_cpu": distribution.on_cpu(strategy),
      "is_chief": distribution.is_chief(strategy),
      "names": list(runs["plain"].weights),
      "state_names": runs["plain"].state_names,
      "large": update_large(strategy),
      "dropout": [dropout_of_shares(strategy, step, parts=2) for step in (0, 1)],
    }
  arrays = {}
  for run, trained in runs.items():
    arrays.update({f"{run}/weights/{n}": v for n, v in trained.weights.items()})
    arrays.update({f"{run}/values/{n}": v for n, v in trained.values.items()})
  np.savez(file, facts=json.dumps(facts), **arrays)


if __name__ == "__main__":
  main(*sys.argv[1:])
