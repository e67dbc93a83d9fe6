"""Flags that say which task, and where a user's table keeps its texts and labels."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from absl import flags

from bert_ja.flags import model_flags, pair_flags, tokenizer_flags


@dataclasses.dataclass(frozen=True)
class _Option:
  """A flag that is an argument of a task's constructor. This is all that it takes.

  Attributes:
    name: of the flag and of the argument.
    define: of `absl.flags`.
    help: what it is for.
    default: the flag's.
    bounds: of a number.
    is_recorded: whether the value belongs to a trained model, and not to the data.
    is_strict: whether a task that has no use for it refuses it.
    read: flag values -> the argument; by default the flag's value.
  """

  name: str
  define: Callable[..., Any]
  help: str
  default: Any = None
  bounds: Mapping[str, float] = dataclasses.field(default_factory=dict)
  is_recorded: bool = True
  is_strict: bool = False
  read: Callable[[flags.FlagValues], Any] | None = None

  def argument(self, flag_values: flags.FlagValues) -> Any:
    """What the task gets; None where the flag is not given."""
    return self.read(flag_values) if self.read else flag_values[self.name].value


def _length_limit(flag_values):
  """The rows that --drop_longer keeps; None for all."""
  if not flag_values.drop_longer:
    return None
  from bert_ja import front_end_choice, front_ends
  from bert_ja.data import length_limit

  files = model_flags.find(flag_values, weights=False)
  if "vocab_file" in flag_values:
    tokenizer = tokenizer_flags.create_tokenizer(files, flag_values)
  elif files.directory:
    choice = front_end_choice.choose(files)
    tokenizer = front_ends.create(
      choice.name, files.vocab_file, files.model_file, choice.settings
    )
  else:
    raise ValueError(
      "--drop_longer counts the pieces of a model's tokenizer; give --model_dir, or "
      "leave it out"
    )
  return length_limit.LengthLimit(
    tokenizer,
    flag_values.max_seq_length,
    "pair_model" in flag_values and pair_flags.features(flag_values) is not None,
  )


_OPTIONS = (
  _Option("data_dir", flags.DEFINE_string, "Directory of the data.", is_recorded=False),
  _Option("text_columns", flags.DEFINE_list, "table: one or two columns of text."),
  _Option(
    "label_column", flags.DEFINE_string, "table: the labels; `label` by default."
  ),
  _Option("id_column", flags.DEFINE_string, "table: the rows' names."),
  _Option(
    "labels_file",
    flags.DEFINE_string,
    "table: labels in their order, one a line.",
    is_recorded=False,
  ),
  *(
    _Option(
      f"{split}_file",
      flags.DEFINE_string,
      f"table, livedoor: file in --data_dir; by default {split}.csv, .tsv, .jsonl or "
      ".json.",
      is_recorded=False,
    )
    for split in ("train", "dev", "test")
  ),
  _Option(
    "texts_file",
    flags.DEFINE_string,
    "table: text columns hold ids, and this file in --data_dir or elsewhere their "
    'texts: JSON {"id": "text"}, or a table with columns id and text.',
    is_strict=True,
  ),
  _Option(
    "positive_labels",
    flags.DEFINE_list,
    "table: rows with one of these labels have label 1, all others 0.",
    is_strict=True,
  ),
  _Option(
    "context_sentences",
    flags.DEFINE_integer,
    "table: n; the n - 1 rows before a row become its first text, cut from the front "
    "where there is no room.",
    bounds={"lower_bound": 1},
    is_strict=True,
  ),
  _Option(
    "document_column",
    flags.DEFINE_string,
    "With --context_sentences: only rows with the same value here are context of each "
    "other.",
    is_strict=True,
  ),
  _Option(
    "drop_longer",
    flags.DEFINE_bool,
    "table, multi_label, regression: leave out rows with more pieces than "
    "--max_seq_length, in test sets where all labels are known.",
    default=False,
    is_strict=True,
    read=_length_limit,
  ),
  _Option(
    "label_separator",
    flags.DEFINE_string,
    "multi_label: what stands between the labels of a row; a comma by default.",
  ),
  _Option(
    "threshold",
    flags.DEFINE_float,
    "multi_label: a label is predicted if its probability is this or more; 0.5 by "
    "default.",
    bounds={"lower_bound": 0, "upper_bound": 1},
  ),
  _Option(
    "choice_columns",
    flags.DEFINE_list,
    "multiple_choice: columns of the choices; by default a list in `choices`, or "
    "`choice0`, `choice1`, ...",
  ),
  _Option(
    "num_choices",
    flags.DEFINE_integer,
    "multiple_choice: places that a row has; by default the most of the training set.",
    bounds={"lower_bound": 1},
    is_recorded=False,
  ),
)

# Flags whose values belong to a trained model: with --model_dir they need not be given.
RECORDED = (
  "task_name",
  "max_seq_length",
  *(option.name for option in _OPTIONS if option.is_recorded),
  "xnli_language",
)


# With --drop_longer these say how long a row is, and how long it may be.
_OF_LENGTH = (
  "max_seq_length",
  "pair_model",
  "model_dir",
  "vocab_file",
  "model_file",
  "tokenizer",
  "do_lower_case",
  "strip_accents",
  "tokenize_chinese_chars",
)


def define(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the group."""
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
  for option in _OPTIONS:
    option.define(
      option.name,
      option.default,
      option.help,
      flag_values=flag_values,
      **option.bounds,
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
    ValueError: the task is unknown, or has no use for a flag that changes its rows.
  """
  from bert_ja.tasks import registry

  if flag_values.task_module:
    registry.load_task_module(flag_values.task_module)
  processor = registry.get_processor(
    flag_values.task_name,
    labels=labels,
    language=flag_values.xnli_language,
    **{option.name: option.argument(flag_values) for option in _OPTIONS},
  )
  for option in _OPTIONS:
    is_given = bool(flag_values[option.name].value)
    if option.is_strict and is_given and not hasattr(processor, option.name):
      raise ValueError(
        f"--{option.name} means nothing to --task_name={flag_values.task_name}; leave "
        "it out, or choose a table"
      )
  return processor


def choosing_rows(flag_values: flags.FlagValues) -> tuple[tuple[str, str], ...]:
  """The flags that say which rows a task reads: where they are equal, so are the rows.

  Args:
    flag_values: parsed flags of any program that has this group.
  """
  names = ["task_name", "task_module", "xnli_language"]
  names += [option.name for option in _OPTIONS]
  if flag_values.drop_longer:
    names += _OF_LENGTH
  return tuple(
    (name, repr(flag_values[name].value)) for name in names if name in flag_values
  )


def recorded(flag_values: flags.FlagValues = flags.FLAGS) -> dict[str, Any]:
  """The values to keep beside a trained model."""
  return {name: flag_values[name].value for name in RECORDED}
