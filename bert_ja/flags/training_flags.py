"""Flags that say how a model is trained, saved and evaluated."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from absl import flags

from bert_ja.flags import flag_groups

_BATCH_SIZES = {"train_batch_size": 32, "eval_batch_size": 8, "predict_batch_size": 8}


@flag_groups.selectable
def define(
  flag_values: flags.FlagValues = flags.FLAGS,
  best_metric: str = "eval_accuracy",
) -> None:
  """Defines the group, or some of its flags.

  Args:
    flag_values: where.
    best_metric: default of the flag.
  """
  _define_batches(flag_values)
  _define_optimizer(flag_values)
  _define_run(flag_values, best_metric)


def batch_sizes(flag_values: flags.FlagValues = flags.FLAGS) -> tuple[int, int, int]:
  """Of training, evaluation and prediction.

  A script without --eval_batch_size evaluates with the batches of prediction.
  """
  return tuple(
    flag_values[name if name in flag_values else "predict_batch_size"].value
    for name in _BATCH_SIZES
  )


def _define_batches(flag_values):
  for name, default in _BATCH_SIZES.items():
    flags.DEFINE_integer(
      name, default, "Rows of a batch, over all devices.", 1, flag_values=flag_values
    )
  flags.DEFINE_integer(
    "gradient_accumulation_steps",
    1,
    "Parts that a training batch is computed in, to save memory; the batch stays "
    "--train_batch_size rows.",
    1,
    flag_values=flag_values,
  )


def _define_optimizer(flag_values):
  flags.DEFINE_float("learning_rate", 5e-5, "Peak rate of Adam.", 0, None, flag_values)
  flags.DEFINE_float(
    "num_train_epochs", 3.0, "Epochs; fractions are allowed.", 0, None, flag_values
  )
  flags.DEFINE_float(
    "warmup_proportion", 0.1, "Share of linear warm-up.", 0, 1, flag_values
  )
  flags.DEFINE_enum(
    "lr_schedule", "linear", ["linear", "constant"], "After the warm-up.", flag_values
  )
  flags.DEFINE_float("weight_decay_rate", 0.01, "Of Adam.", 0, None, flag_values)
  flags.DEFINE_float("adam_epsilon", 1e-6, "Of Adam.", 0, None, flag_values)
  flags.DEFINE_bool(
    "bias_correction",
    False,
    "Adam's bias correction, as its paper has it.",
    flag_values,
  )
  flags.DEFINE_float(
    "layerwise_lr_decay",
    1.0,
    "Factor of the rate for each layer further from the output.",
    0,
    1,
    flag_values,
  )
  flags.DEFINE_string(
    "trainable",
    "all",
    "What is trained: all, head, last_layer (the encoder's top layer, pooler and head), "
    "last_N (its N top layers, ...), or a regular expression that is found in "
    "variables' names and is more than a word, such as /pooler/.",
    flag_values,
  )
  flags.DEFINE_string(
    "frozen_variables",
    None,
    "Regular expression; variables whose names it matches are not trained, whatever "
    "--trainable says.",
    flag_values,
  )


def _define_run(flag_values, best_metric):
  flags.DEFINE_integer(
    "save_checkpoints_steps",
    1000,
    "Steps between checkpoints.",
    1,
    flag_values=flag_values,
  )
  flags.DEFINE_integer(
    "keep_checkpoint_max",
    5,
    "Newest checkpoints to keep; 0 keeps all.",
    0,
    flag_values=flag_values,
  )
  flags.DEFINE_integer(
    "iterations_per_loop",
    1000,
    "Most steps in one call of the device.",
    1,
    flag_values=flag_values,
  )
  flags.DEFINE_integer(
    "eval_steps",
    0,
    "Steps between evaluations while training; 0 for none.",
    0,
    flag_values=flag_values,
  )
  flags.DEFINE_string(
    "best_metric",
    best_metric,
    "With --eval_steps: the metric that chooses the checkpoint in best/.",
    flag_values,
  )
  flags.DEFINE_integer(
    "early_stopping_patience",
    0,
    "With --eval_steps: evaluations without a better one that end the training.",
    0,
    flag_values=flag_values,
  )
  flags.DEFINE_bool(
    "use_best",
    False,
    "Evaluate and predict with the checkpoint in best/ instead of the newest.",
    flag_values,
  )
  flags.DEFINE_integer(
    "seed", 12345, "Of weights, order and dropout.", 0, flag_values=flag_values
  )
  flags.DEFINE_bool(
    "xla", False, "Compile the training step with XLA, at fixed shapes.", flag_values
  )


def run_config(
  flag_values: flags.FlagValues = flags.FLAGS,
  curve_values: Mapping[str, int] | None = None,
) -> Any:
  """The flags as a `run_config.RunConfig`."""
  from bert_ja import run_config

  if flag_values.early_stopping_patience and not flag_values.eval_steps:
    raise ValueError("--early_stopping_patience needs --eval_steps")
  return run_config.RunConfig(
    model_dir=flag_values.output_dir,
    save_checkpoints_steps=flag_values.save_checkpoints_steps,
    iterations_per_loop=flag_values.iterations_per_loop,
    keep_checkpoint_max=flag_values.keep_checkpoint_max,
    eval_steps=flag_values.eval_steps,
    best_metric=flag_values.best_metric,
    early_stopping_patience=flag_values.early_stopping_patience,
    seed=flag_values.seed,
    gradient_accumulation_steps=flag_values.gradient_accumulation_steps,
    jit_compile=flag_values.xla,
    curve_values=curve_values or {},
  )


def create_optimizer(
  num_train_steps: int,
  num_warmup_steps: int,
  num_hidden_layers: int,
  flag_values: flags.FlagValues = flags.FLAGS,
) -> Any:
  """The flags as an optimizer; call in the scope of the strategy."""
  from bert_ja import optimization

  options = {}
  if flag_values.layerwise_lr_decay != 1.0:
    options["rate_multiplier"] = optimization.layerwise_multiplier(
      flag_values.layerwise_lr_decay, num_hidden_layers
    )
  if flag_values.precision == "float16":
    options["loss_scale"] = optimization.LossScale()
  return optimization.create_optimizer(
    flag_values.learning_rate,
    num_train_steps,
    num_warmup_steps,
    weight_decay_rate=flag_values.weight_decay_rate,
    epsilon=flag_values.adam_epsilon,
    lr_schedule=flag_values.lr_schedule,
    bias_correction=flag_values.bias_correction,
    **options,
  )


def num_train_steps(
  num_examples: int, flag_values: flags.FlagValues = flags.FLAGS
) -> int:
  """Updates in all: int(examples / batch size * epochs) (A-65); 0 without training.

  Raises:
    ValueError: there are examples, but too few for one step.
  """
  steps = int(_steps_of(num_examples, flag_values.num_train_epochs, flag_values))
  if flag_values.do_train and steps < 1:
    raise ValueError(
      f"{num_examples} training examples, --train_batch_size="
      f"{flag_values.train_batch_size} and --num_train_epochs="
      f"{flag_values.num_train_epochs:g} make no step; lower the batch size or raise "
      "the epochs"
    )
  return steps


def set_eval_steps(
  num_examples: int, flag_values: flags.FlagValues = flags.FLAGS
) -> None:
  """Gives --eval_steps the steps of --eval_epochs, where that is given.

  They are no whole number where the last batch of an epoch reaches into the next one:
  then evaluations are where the epochs end, each rounded to a step.

  Raises:
    ValueError: both are given.
  """
  epochs = flag_values.eval_epochs
  if not epochs:
    return
  if flag_values.eval_steps:
    raise ValueError("--eval_epochs and --eval_steps exclude each other")
  steps = max(1.0, _steps_of(num_examples, epochs, flag_values))
  flag_values["eval_steps"].value = steps


def _steps_of(num_examples, epochs, flag_values):
  return num_examples / flag_values.train_batch_size * epochs


def trainable(
  num_hidden_layers: int, flag_values: flags.FlagValues = flags.FLAGS
) -> Callable[[str], bool]:
  """--trainable, less what --frozen_variables matches, as a function of names.

  Args:
    num_hidden_layers: of the encoder.
    flag_values: parsed flags.

  Raises:
    ValueError: a flag is no regular expression, --trainable is a word that is not
      known, or the encoder has fewer layers.
  """
  chosen = _chosen(num_hidden_layers, flag_values)
  if not flag_values.frozen_variables:
    return chosen
  frozen = _pattern("frozen_variables", flag_values)
  return lambda name: chosen(name) and not frozen.search(name)


def _chosen(num_hidden_layers, flag_values):
  """--trainable alone."""
  value = flag_values.trainable
  if value == "all":
    return lambda name: True
  if value == "head":
    return lambda name: not name.startswith("bert/")
  last = re.fullmatch(r"last_(layer|\d+)", value)
  if not last:
    # `al` is found in the names of value matrices, which would be trained alone.
    if re.fullmatch(r"\w*", value):
      raise ValueError(
        f"--trainable={value}: expected all, head, last_layer, last_N, or a regular "
        "expression that is more than a word, such as /pooler/"
      )
    pattern = _pattern("trainable", flag_values)
    return lambda name: bool(pattern.search(name))
  count = 1 if last[1] == "layer" else int(last[1])
  if not 1 <= count <= num_hidden_layers:
    raise ValueError(
      f"--trainable={value}: the model has {num_hidden_layers} layers, so that last_1 "
      f"to last_{num_hidden_layers} are possible; head trains none of them"
    )
  first = num_hidden_layers - count

  def in_the_top(name):
    layer = re.match(r"bert/encoder/layer_(\d+)/", name)
    return int(layer[1]) >= first if layer else not name.startswith("bert/embeddings/")

  return in_the_top


def _pattern(flag, flag_values):
  value = flag_values[flag].value
  try:
    return re.compile(value)
  except re.error as error:
    raise ValueError(f"--{flag}={value} is no regular expression: {error}") from None
