"""Which choice goes with a text? N choices of a row, R rows, B of a batch."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bert_ja import metrics, reporting
from bert_ja.data import choice_features
from bert_ja.tasks import base, kinds, registry, table


@registry.register("multiple_choice")
class MultipleChoiceProcessor(table.TableProcessor):
  """Rows with a text, a list `choices` or columns `choice0` and on, and a `label`.

  The label is the place of the right choice, from 0. A place without a choice is null or
  empty. Files and options are a table's; JCommonsenseQA and SWAG are read as published.

  Args:
    choice_columns: columns of the choices, or one that holds lists; by default
      `choices`, or the columns `choice0`, `choice1`, ... or `ending0`, ...
    num_choices: N; by default the most of a row of the training set.
    **options: of a table. Two columns of text are joined by a space.
  """

  kind = "choice"
  choice_columns = None
  usual_text_columns = (
    ("context", "question"),
    *((name,) for name in ("question", "text", "context", "startphrase")),
  )

  def __init__(
    self,
    choice_columns: Sequence[str] | None = None,
    num_choices: int | None = None,
    **options: Any,
  ):
    super().__init__(**options)
    if choice_columns:
      self.choice_columns = choice_columns
    self.kind_options = {"num_choices": num_choices}

  def get_labels(self) -> list[str]:
    """None: a label is a place."""
    return []

  def label_names(self, label: Any) -> Sequence[str]:
    return ()

  def read_label(self, value: Any, place: str) -> int | None:
    if table.is_empty(value):
      return None
    return choice_features.read_place(table.label_name(value, place), place)

  def complete(
    self, example: base.InputExample, row: Mapping[str, Any]
  ) -> choice_features.ChoiceExample:
    return choice_features.ChoiceExample(
      guid=example.guid,
      text=" ".join(filter(None, (example.text_a, example.text_b))),
      choices=choice_features.read_choices(row, self.choice_columns, example.source),
      label=example.label,
      source=example.source,
    )


@kinds.register("choice")
class Choice(kinds.Kind):
  """One of a row's choices; logits [B, N], -1e9 where there is none, label ids [B]."""

  title = "one of several choices"
  has_test_results = True
  head = "choice"
  num_outputs = 1
  features = choice_features
  labels_of = choice_features.Places
  # Smoothing would spread a label over places without a choice.
  loss_options = ("focal_gamma",)

  def __init__(
    self,
    label_list: Sequence[str],
    features: Any = None,
    num_choices: int | None = None,
  ):
    """Of a task with these labels.

    Args:
      label_list: empty.
      features: as `kinds.Kind` has it.
      num_choices: N; that of the trained model by default, or the most of a row of the
        set that is checked first.
    """
    super().__init__(label_list, features)
    self._num_choices = num_choices

  @property
  def num_choices(self) -> int | None:
    """N; None where it is not known yet."""
    return self._num_choices or self.learned.get("num_choices")

  def check(self, examples: Sequence[choice_features.ChoiceExample]) -> None:
    if self.num_choices is None:
      self._num_choices = max([len(row.choices) for row in examples], default=0)
    choice_features.check(examples, self.labels, self.num_choices)

  def learn(self, examples: Sequence[choice_features.ChoiceExample]) -> None:
    """N."""
    self.learned = {"num_choices": self.num_choices}

  def feature_spec(self, max_seq_length: int) -> dict[str, Any]:
    return choice_features.feature_spec(max_seq_length, self.num_choices)

  def cached_features(self, examples: Sequence[Any], *args: Any, **kwargs: Any) -> bool:
    return choice_features.cached_features(
      examples, self.labels, self.num_choices, *args, **kwargs
    )

  def loss(self, logits: Any, features: Mapping[str, Any], options: Any = None) -> Any:
    from bert_ja import losses

    return losses.cross_entropy(logits, features["label_ids"], options)

  def predictions(self, logits: Any, features: Mapping[str, Any]) -> dict[str, Any]:
    """`scores` [B, N], the logits, and `probabilities` [B, N], 0 without a choice."""
    import tensorflow as tf

    return {"scores": logits, "probabilities": tf.nn.softmax(logits)}

  def scores(self, outputs: Mapping[str, np.ndarray]) -> dict[str, float]:
    """`accuracy`."""
    metrics.check_finite("scores", outputs["scores"])
    right = outputs["scores"].argmax(axis=1) == outputs["label_ids"]
    return {"accuracy": float(np.mean(right))}

  def write_rows(
    self,
    directory: str,
    examples: Sequence[choice_features.ChoiceExample],
    outputs: Mapping[str, np.ndarray],
    labels_known: bool,
  ) -> list[str]:
    """predictions.tsv: places, the choices that stand there, and scores of all."""
    chosen = outputs["scores"].argmax(axis=1).tolist()
    columns = {
      "id": [row.guid for row in examples],
      "text": [row.text for row in examples],
    }
    right = [row.label for row in examples]
    if labels_known:
      columns["label"] = ["" if place is None else place for place in right]
    columns["predicted"] = chosen
    columns["choice"] = _choices(examples, chosen)
    if labels_known:
      columns["right_choice"] = _choices(examples, right)
    for place, scores in enumerate(outputs["scores"].T):
      columns[f"score_{place}"] = [
        score if any(row.choices[place : place + 1]) else ""
        for row, score in zip(examples, scores, strict=True)
      ]
    path = os.path.join(directory, "predictions.tsv")
    return [reporting.write_columns(path, columns)]


def _choices(examples, places):
  """What stands at a place of each row; "" where the place is not known."""
  return [
    "" if place is None else row.choices[place]
    for row, place in zip(examples, places, strict=True)
  ]
