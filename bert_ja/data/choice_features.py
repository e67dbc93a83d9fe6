"""A text and its choices to rows of ids: what a `heads.ChoiceClassifier` takes.

The functions stand in for those of `pair_features`, by their names. N choices of a row,
S positions of each; a row with fewer choices is filled up with masked ones.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bert_ja.data import (
  example_log,
  feature_cache,
  labels,
  pair_features,
  parallel,
  records,
)

# Part of the cache key: changes with what is stored for the same texts.
_CACHE_FORMAT = 1
_LOGGED_EXAMPLES = 5
_NUMBERED = re.compile(r"(?:choice|ending)_?([0-9]{1,3})")


@dataclasses.dataclass(frozen=True)
class ChoiceExample:
  """A text and what may go with it, one of which is right.

  Attributes:
    guid: name of the example.
    text: what all choices go with: a question, a beginning.
    choices: in their order; a text without characters is a place without a choice.
    label: place of the right choice, from 0; None where it is not known.
    source: file and line it came from, for messages.
  """

  guid: str
  text: str
  choices: Sequence[str]
  label: int | None = None
  source: str | None = None


def read_choices(
  row: Mapping[str, Any], columns: Sequence[str] | None, place: str
) -> list[str]:
  """The choices of a table's row; "" for a cell without a text.

  Args:
    row: {column: value}.
    columns: of the choices, or one that holds a list of them; by default `choices`,
      which does, or `choice0`, `choice1`, ... or `ending0`, ...: their numbers are the
      places, and a row may lack some.
    place: file and line, for messages.

  Raises:
    ValueError: there is no such column, two are of one place, or a cell is no text.
  """
  if not columns and "choices" not in row:
    numbered = _numbered_columns(row, place)
    if numbered:
      names = map(numbered.get, range(max(numbered) + 1))
      return [_choice(name and row[name], place) for name in names]
  columns = columns or ["choices"]
  missing = [name for name in columns if name not in row]
  if missing:
    raise ValueError(
      f"{place}: there is no column {missing[0]!r}; name the columns of choices with "
      f"--choice_columns (it has: {', '.join(row)})"
    )
  cells = [row[name] for name in columns]
  if len(cells) == 1:
    (cells,) = cells
    if not isinstance(cells, list):
      raise ValueError(
        f"{place}: {columns[0]}: expected a list of texts, found {cells!r}; name more "
        "columns than one with --choice_columns"
      )
  return [_choice(cell, place) for cell in cells]


def _numbered_columns(row, place):
  """{number: name} of the columns that are named by numbers."""
  found = {}
  for name in row:
    if match := _NUMBERED.fullmatch(name):
      other = found.setdefault(int(match[1]), name)
      if other != name:
        raise ValueError(
          f"{place}: columns {other!r} and {name!r} are of the same place; name those "
          "of the choices with --choice_columns"
        )
  return found


def _choice(cell, place):
  if cell is None or isinstance(cell, str | int | float) and not isinstance(cell, bool):
    text = "" if cell is None else str(cell)
    return text if text.strip() else ""
  raise ValueError(f"{place}: expected texts as choices, found {cell!r}")


def read_place(text: str, place: str) -> int:
  """A label in a file -> the place of the right choice.

  Args:
    text: a whole number, from 0; what is too large is found when choices are known.
    place: file and line, for messages.

  Raises:
    ValueError: it is no whole number.
  """
  if not re.fullmatch(r"[+-]?[0-9]+", text):
    raise ValueError(
      f"{place}: expected the place of the right choice, from 0, found {text!r}"
    )
  return int(text)


class Places(labels.Labels):
  """The right one of an example's choices: its place."""

  def _value(self, label, example):
    count = len(example.choices)
    where = labels.place(example)
    if not 0 <= label < count:
      raise ValueError(
        f"{where}: label {label} is outside the range of {count} choices; expected 0 to "
        f"{count - 1}"
      )
    if not example.choices[label]:
      raise ValueError(f"{where}: label {label} is the place of an empty choice")
    return label


def check(
  examples: Sequence[ChoiceExample], label_list: labels.Labels, num_choices: int
) -> None:
  """Checks all that can be wrong with examples.

  Args:
    examples: rows.
    label_list: `Places`.
    num_choices: N.

  Raises:
    ValueError: a row has no choice, only empty ones or more than N; or its label is not
      the place of a choice. The message names its place.
  """
  for example in examples:
    where, count = labels.place(example), len(example.choices)
    if not count:
      raise ValueError(f"{where}: there are no choices; expected at least one")
    if not any(example.choices):
      raise ValueError(f"{where}: all {count} choices are empty; expected a text")
    if count > num_choices:
      raise ValueError(
        f"{where}: {count} choices, more than the {num_choices} that rows have; give "
        f"--num_choices={count}"
      )
  label_list.values(examples)


def feature_spec(max_seq_length: int, num_choices: int) -> dict[str, records.Feature]:
  """What a record holds: ids [N, S], int [N] whether there is a choice, the label."""
  texts = records.Feature((num_choices, max_seq_length), flag="max_seq_length")
  spec = pair_features.feature_spec(max_seq_length)
  return {
    **spec,
    **dict.fromkeys(("input_ids", "input_mask", "segment_ids"), texts),
    # With its flag, since N may be S, and choices are not cut with the texts.
    "choice_mask": records.Feature((num_choices,), flag="num_choices"),
  }


def cached_features(
  examples: Sequence[ChoiceExample],
  label_list: labels.Labels,
  num_choices: int,
  max_seq_length: int,
  tokenizer: Any,
  output_file: str,
  cache_dir: str | None = None,
  progress: pair_features.Progress | None = None,
) -> bool:
  """Converts examples to a TFRecord file, unless it is there already.

  Args:
    examples: rows that passed `check`.
    label_list: `Places`.
    num_choices: N.
    max_seq_length: S, of `[CLS] text [SEP] choice [SEP]`. The longer of the two is cut.
    tokenizer: the tokenizer.
    output_file: the TFRecord file; `<output_file>.key` beside it says what it holds.
    cache_dir: as `pair_features.cached_features` has it.
    progress: called as the conversion goes on.

  Returns:
    Whether examples were converted.
  """
  pair_features.check_length(max_seq_length)
  settings = ("choices", _CACHE_FORMAT, max_seq_length, num_choices)
  rows = ((row.text, list(row.choices), row.label) for row in examples)
  key = feature_cache.content_key(tokenizer, settings, rows)
  arguments = (examples, label_list, num_choices, max_seq_length, tokenizer, progress)
  return feature_cache.convert_once(
    len(examples),
    key,
    output_file,
    cache_dir,
    lambda: records.write_records(output_file, _convert(*arguments)),
  )


def _convert(
  examples, label_list, num_choices, max_seq_length, tokenizer, progress
) -> Iterator[bytes]:
  """Yields the records of all examples."""
  values = label_list.values(examples)
  # A text recurs, as a paragraph does with each question about it.
  texts = list(
    dict.fromkeys(text for row in examples for text in (row.text, *row.choices))
  )
  ids = dict(zip(texts, parallel.ordered_map(_encode, tokenizer, texts), strict=True))
  for index, (row, value) in enumerate(zip(examples, values, strict=True)):
    features = _features(row, ids, num_choices, max_seq_length, tokenizer)
    if index < _LOGGED_EXAMPLES:
      _log_example(row, features, tokenizer, max_seq_length)
    yield records.encode_example(
      features | {"label_ids": [value], "is_real_example": [1]}
    )
    if progress is not None:
      progress(index + 1, len(examples))


def _encode(tokenizer, text):
  """Ids of a text; runs in a worker process."""
  return tokenizer.encode(text)


def _features(row, ids, num_choices, max_seq_length, tokenizer):
  """Numbers of a row's choices, one after the other: {name: flat list}."""
  specials = tokenizer.convert_tokens_to_ids(("[CLS]", "[SEP]"))
  features = {"input_ids": [], "input_mask": [], "segment_ids": [], "choice_mask": []}
  for choice in pair_features.pad(row.choices, num_choices, ""):
    packed, segment_ids = [], []
    if choice:
      room = max_seq_length - 3
      cut = pair_features.truncate_pair(ids[row.text], ids[choice], room)
      packed, segment_ids = pair_features.pack_pair(*cut, *specials)
    for name, numbers, filler in (
      ("input_ids", packed, tokenizer.pad_id),
      ("input_mask", [1] * len(packed), 0),
      ("segment_ids", segment_ids, 0),
    ):
      features[name] += pair_features.pad(numbers, max_seq_length, filler)
    features["choice_mask"].append(int(bool(choice)))
  return features


def _log_example(row, features, tokenizer, max_seq_length):
  tokens = []
  for start in range(0, len(features["input_ids"]), max_seq_length):
    there = sum(features["input_mask"][start : start + max_seq_length])
    ids = features["input_ids"][start : start + there]
    tokens.append(("tokens", tokenizer.convert_ids_to_tokens(ids)))
  example_log.log_example([("guid", row.guid), *tokens, ("label", row.label)])
