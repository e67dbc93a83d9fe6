"""Flags that say which model, and what they and a model directory come to together."""

import dataclasses
import os
from typing import Any

from absl import flags, logging

from bert_ja.flags import flag_groups


@flag_groups.selectable
def define(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the group, or some of its flags."""
  flags.DEFINE_string(
    "bert_config_file", None, "Model architecture, JSON.", flag_values
  )
  flags.DEFINE_string(
    "init_checkpoint",
    None,
    "Weights to start from: a TF1 checkpoint prefix, or a Hugging Face directory.",
    flag_values,
  )
  flags.DEFINE_string(
    "model_dir",
    None,
    "A model's directory: its config, vocabulary, tokenizer settings and weights serve "
    "for the flags that are not given. An earlier --output_dir is one; bert-ja-small "
    "names the Japanese model that comes with the package.",
    flag_values,
  )
  flags.DEFINE_bool(
    "random_init",
    False,
    "Start from random weights, with the config and tokenizer of --model_dir.",
    flag_values,
  )
  flags.DEFINE_string(
    "output_dir",
    None,
    "Where checkpoints and results go; created if missing.",
    flag_values,
  )
  flags.DEFINE_enum(
    "precision",
    "float32",
    ["float32", "bfloat16", "float16"],
    "Type of the matrix products; variables and losses are float32.",
    flag_values,
  )


def find(flag_values: flags.FlagValues = flags.FLAGS, weights: bool = True) -> Any:
  """The model's files: those of --model_dir, replaced by flags that were given.

  Args:
    flag_values: parsed flags.
    weights: whether to look for weights, which takes TensorFlow.

  Returns:
    `model_files.ModelFiles`.

  Raises:
    ValueError: --model_dir is no model's directory.
  """
  from bert_ja import model_files

  given = {
    name: flag_values[flag].value
    for name, flag in (
      ("config_file", "bert_config_file"),
      ("init_checkpoint", "init_checkpoint"),
      ("vocab_file", "vocab_file"),
      ("model_file", "model_file"),
    )
    if flag in flag_values and flag_values[flag].value
  }
  if flag_values.model_dir:
    files = model_files.find(flag_values.model_dir, weights, given)
  else:
    beside = os.path.dirname(given.get("vocab_file", "")) or "."
    settings = model_files.tokenizer_settings(beside) if "vocab_file" in given else {}
    files = model_files.ModelFiles("", None, None, None, settings, {})
  return dataclasses.replace(files, **given)


def resolve(flag_values: flags.FlagValues = flags.FLAGS) -> Any:
  """The model's files, for a run: with a configuration or a family that has one.

  Without --do_train, flags that were recorded when the model was trained
  (`max_seq_length`, the task and its columns) take their recorded values where they are
  not given.

  Returns:
    `model_files.ModelFiles`.

  Raises:
    ValueError: no config, neither by flag nor in the directory.
  """
  files = find(flag_values)
  if flag_values.random_init:
    if flag_values.init_checkpoint:
      raise ValueError("--random_init and --init_checkpoint exclude each other")
    files = dataclasses.replace(files, init_checkpoint=None)
  if not (files.config_file or files.model_file):
    raise ValueError(
      "the model is not known: give --bert_config_file, or --model_dir with a model's "
      "directory"
    )
  if not ("do_train" in flag_values and flag_values.do_train):
    _take_recorded(files, flag_values)
  return files


def trained_task(
  files: Any, flag_values: flags.FlagValues = flags.FLAGS
) -> dict[str, Any]:
  """What the model in the output directory was trained for, or else in --model_dir."""
  return continued_task(flag_values) or files.task


def continued_task(flag_values: flags.FlagValues = flags.FLAGS) -> dict[str, Any]:
  """What the model in the output directory was trained for; {} if it holds none."""
  from bert_ja import checkpoint

  directory = flag_values["output_dir"].value if "output_dir" in flag_values else None
  if directory and checkpoint.latest_checkpoint(directory):
    return _recorded_task(directory)
  return {}


def _take_recorded(files, flag_values):
  for name, value in trained_task(files, flag_values).get("flags", {}).items():
    if name in flag_values and not flag_values[name].present:
      if value != flag_values[name].value:
        logging.info("--%s=%s, as the model was trained", name, value)
      flag_values[name].value = value


def _recorded_task(directory):
  """What a training wrote of itself; {} if it did not."""
  from bert_ja import model_files, text_io

  path = os.path.join(directory, model_files.TASK_NAME)
  return text_io.read_json(path) if text_io.exists(path) else {}


def load_config(files: Any, tokenizer_name: str | None = None) -> Any:
  """The model's `BertConfig`, or its family's where it was published without one.

  Args:
    files: `model_files.ModelFiles`.
    tokenizer_name: its front end; found by its files by default.

  Raises:
    ValueError: there is none, or it is damaged.
  """
  from bert_ja import front_end_choice, front_ends

  if not (tokenizer_name or files.config_file):
    tokenizer_name = front_end_choice.choose(files).name
  return front_ends.load_config(tokenizer_name, files)


def check_output_dir(
  labels: list[str], files: Any, flag_values: flags.FlagValues = flags.FLAGS
) -> None:
  """Checks the output directory against what is asked, before files are written.

  Raises:
    ValueError: it holds a model with other labels; or there are no weights to
      evaluate or predict with.
  """
  from bert_ja import checkpoint

  output_dir = flag_values.output_dir
  trained = checkpoint.latest_checkpoint(output_dir)
  if not trained:
    if not (flag_values.do_train or files.init_checkpoint or flag_values.random_init):
      raise ValueError(
        f"there are no weights: {output_dir} holds no checkpoint; give "
        "--init_checkpoint or the --model_dir of a trained model, or --do_train"
      )
    return
  task = _recorded_task(output_dir)
  known = task.get("labels")
  if known and known != labels:
    raise ValueError(
      f"{output_dir} holds a model with labels {', '.join(known)}, the task has "
      f"{', '.join(labels) or 'none'}; choose another --output_dir"
    )
  for name, value in task.get("flags", {}).items():
    if flag_values.do_train and name in flag_values:
      given = flag_values[name].value
      if given not in (value, "auto"):
        logging.warning(
          "%s holds a model that was trained with --%s=%s; it goes on with %s",
          output_dir,
          name,
          value,
          given,
        )


def check_length(max_seq_length: int, config: Any, files: Any) -> None:
  """Checks that the model has a position for each piece (A-15).

  Raises:
    ValueError: it has fewer.
  """
  if max_seq_length > config.max_position_embeddings:
    raise ValueError(
      f"--max_seq_length={max_seq_length} is longer than the "
      f"{config.max_position_embeddings} positions of "
      f"{files.config_file or 'the model'}; lower the flag or use a model with more "
      "positions"
    )
