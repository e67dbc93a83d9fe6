"""Flags that say which task, and where a user's table keeps its texts and labels."""

from typing import Any

from absl import flags

# Flags whose values belong to a trained model: with --model_dir they need not be given.
RECORDED = (
  "task_name",
  "max_seq_length",
  "text_columns",
  "label_column",
  "id_column",
  "choice_columns",
  "label_separator",
  "threshold",
  "xnli_language",
)


def define(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the group."""
  flags.DEFINE_string("data_dir", None, "Directory of the data.", flag_values)
  flags.DEFINE_string(
    "task_name",
    None,
    "mrpc, cola, mnli, xnli, livedoor; of your own CSV, TSV or JSON lines: table (one "
    "label a row), multi_label, multiple_choice, regression; tagging (a tag for each "
    "word); or a task of --task_module.",
    flag_values,
  )
  flags.DEFINE_string(
    "task_module", None, "A Python file that registers a task.", flag_values
  )
  flags.DEFINE_list(
    "text_columns", None, "table: one or two columns of text.", flag_values
  )
  flags.DEFINE_string(
    "label_column", None, "table: the labels; `label` by default.", flag_values
  )
  flags.DEFINE_string(
    "label_separator",
    None,
    "multi_label: what stands between the labels of a row; a comma by default.",
    flag_values,
  )
  flags.DEFINE_float(
    "threshold",
    None,
    "multi_label: a label is predicted if its probability is this or more; 0.5 by "
    "default.",
    0,
    1,
    flag_values,
  )
  flags.DEFINE_list(
    "choice_columns",
    None,
    "multiple_choice: columns of the choices; by default a list in `choices`, or "
    "`choice0`, `choice1`, ...",
    flag_values,
  )
  flags.DEFINE_integer(
    "num_choices",
    None,
    "multiple_choice: places that a row has; by default the most of the training set.",
    1,
    flag_values=flag_values,
  )
  flags.DEFINE_string("id_column", None, "table: the rows' names.", flag_values)
  flags.DEFINE_string(
    "labels_file", None, "table: labels in their order, one a line.", flag_values
  )
  for split in ("train", "dev", "test"):
    flags.DEFINE_string(
      f"{split}_file",
      None,
      f"table, livedoor: file in --data_dir; by default {split}.csv, .tsv, .jsonl or "
      ".json.",
      flag_values,
    )
  flags.DEFINE_string(
    "xnli_language", "zh", "xnli: language of dev and test.", flag_values
  )


def get_processor(
  labels: list[str] | None, flag_values: flags.FlagValues = flags.FLAGS
) -> Any:
  """The task's processor.

  Args:
    labels: those of a trained model; None to take the task's own.
    flag_values: parsed flags.

  Raises:
    ValueError: the task is unknown.
  """
  from bert_ja.tasks import registry

  if flag_values.task_module:
    registry.load_task_module(flag_values.task_module)
  names = ("text_columns", "label_column", "id_column", "labels_file", "data_dir")
  names += ("choice_columns", "num_choices")
  names += ("train_file", "dev_file", "test_file", "label_separator", "threshold")
  options = {name: flag_values[name].value for name in names}
  return registry.get_processor(
    flag_values.task_name,
    labels=labels,
    language=flag_values.xnli_language,
    **options,
  )


def recorded(flag_values: flags.FlagValues = flags.FLAGS) -> dict[str, Any]:
  """The values to keep beside a trained model."""
  return {name: flag_values[name].value for name in RECORDED}
