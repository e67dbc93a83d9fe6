"""Trains a tiny classifier in a process of its own, on the devices it is told.

python -m tests.training_process OUTPUT_DIR NUM_DEVICES [WORKER PORT PORT]
"""

import json
import os
import sys

import numpy as np

LENGTH, ROWS, LABELS, STEPS = 12, 22, 3, 6


def arrays():
  """Random features of 22 rows, which no batch of 4 or 8 divides."""
  draw = np.random.default_rng(3)
  lengths = draw.integers(3, LENGTH + 1, [ROWS])
  mask = (np.arange(LENGTH) < lengths[:, None]).astype(np.int32)
  return {
    "input_ids": draw.integers(1, 30, [ROWS, LENGTH]).astype(np.int32) * mask,
    "input_mask": mask,
    "segment_ids": mask * 0,
    "label_ids": draw.integers(0, LABELS, [ROWS]).astype(np.int32),
    "is_real_example": np.ones([ROWS], np.int32),
  }


def model_fn(mode, dropout=0.0):
  """A classifier of one layer, for `estimator.Estimator`."""
  import tensorflow as tf

  from bert_ja import heads, losses, modeling, optimization
  from bert_ja.run_config import ModeKeys, ModelSpec

  config = modeling.BertConfig(
    vocab_size=30,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=20,
    max_position_embeddings=LENGTH,
    type_vocab_size=2,
    hidden_dropout_prob=dropout,
    attention_probs_dropout_prob=dropout,
  )
  options = heads.HeadOptions(dropout_prob=dropout)
  model = heads.SentenceClassifier(config, LABELS, seed=7, head=options)

  def loss_fn(features, stream):
    return losses.cross_entropy(model(features, stream), features["label_ids"])

  def predict_fn(features):
    logits = model(features)
    return {
      "probabilities": tf.nn.softmax(logits),
      "loss": losses.cross_entropy(logits, features["label_ids"]),
      "label_ids": features["label_ids"],
    }

  def metric_fn(outputs):
    predicted = outputs["probabilities"].argmax(axis=1)
    return {
      "eval_accuracy": float(np.mean(predicted == outputs["label_ids"])),
      "eval_loss": float(np.mean(outputs["loss"])),
    }

  optimizer = None
  if mode == ModeKeys.TRAIN:
    optimizer = optimization.create_optimizer(1e-2, STEPS, 2)
  return ModelSpec(model, loss_fn, predict_fn, metric_fn, optimizer)


def main(output_dir, num_devices, worker=None, *ports):
  """Trains 6 steps, evaluates, writes the outputs of all rows."""
  if worker is not None:
    addresses = [f"127.0.0.1:{port}" for port in ports]
    os.environ["TF_CONFIG"] = json.dumps(
      {
        "cluster": {"worker": addresses},
        "task": {"type": "worker", "index": int(worker)},
      }
    )
  from bert_ja import distribution, estimator
  from bert_ja.data import input_pipeline
  from bert_ja.run_config import RunConfig

  strategy = distribution.create_strategy(
    distribution.RuntimeConfig(num_devices=int(num_devices))
  )
  config = RunConfig(output_dir, save_checkpoints_steps=4, eval_steps=3)
  runner = estimator.Estimator(model_fn, config, 8, 4, 4, strategy)
  train = input_pipeline.array_input_fn_builder(arrays(), LENGTH, True)
  dev = input_pipeline.array_input_fn_builder(arrays(), LENGTH, False)
  runner.train(train, STEPS, dev)
  metrics, outputs = runner.evaluate(dev)
  if runner.is_chief:
    np.savez(os.path.join(output_dir, "outputs.npz"), **metrics, **outputs)


if __name__ == "__main__":
  main(*sys.argv[1:])
