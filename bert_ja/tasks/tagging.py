"""A tag for each word: entities, slots. R sentences, B of a batch, W words at most."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bert_ja import entity_scores, label_reports
from bert_ja.data import tagged_files, word_features
from bert_ja.tasks import kinds, registry, table


@registry.register("tagging")
class TaggingProcessor(table.TableProcessor):
  """Sentences with tags O, B-<type>, I-<type> (IOB2), as `tagged_files` reads them.

  Options as a `table`'s but for `text_columns`: labels are tags; without a list of them,
  both tags of each type of the training set. A set is a file, or a directory with
  `seq.in`.
  """

  kind = "token"
  endings = (".jsonl", ".json", ".conll", ".txt", ".tsv", "")
  label_column = "tags"
  id_column = "id"
  unknown_label_hint = "name all tags with --labels_file, or leave the tags out"

  def __init__(self, text_columns: Sequence[str] | None = None, **options: Any):
    if text_columns:
      raise ValueError(
        f"--text_columns={','.join(text_columns)}: tagging reads `tokens` or `text` of "
        "JSON, and the first column of CoNLL; leave the flag out"
      )
    super().__init__(**options)

  def label_names(self, label: Sequence[Any]) -> Iterable[str]:
    """Tags; of a text's entities, all that its words can have."""
    entities = [item for item in label if isinstance(item, entity_scores.Entity)]
    return _tags_of_types({entity.type for entity in entities}) if entities else label

  def _read(self, path, set_type):
    examples = tagged_files.read_sentences(
      path, set_type, self.label_column, self.id_column
    )
    if self._labels is None and set_type == "train":
      names = {tag for row in examples for tag in self.label_names(row.label)}
      self._labels = _tags_of_types({tag[2:] for tag in names - {"O"}})
    return examples


def _tags_of_types(types):
  return ["O", *(f"{prefix}-{name}" for name in sorted(types) for prefix in "BI")]


@kinds.register("token")
class Token(kinds.Kind):
  """One of C tags for each word; logits [B, S, C], of which first pieces count."""

  title = "a tag for each word"
  head = "token"
  features = word_features
  labels_of = word_features.Tags
  best_metric = "eval_f1"

  def prepare(
    self, examples: Sequence[word_features.WordExample], tokenizer: Any
  ) -> list[word_features.WordExample]:
    return word_features.split_texts(examples, tokenizer)

  def strata(self, examples: Sequence[word_features.WordExample]) -> list[Hashable]:
    return [None] * len(examples)

  def class_counts(self, examples: Sequence[word_features.WordExample]) -> list[int]:
    """How many words there are of each tag."""
    ids = np.concatenate([[], *self.labels.values(examples)]).astype(np.int64)
    return np.bincount(ids, minlength=len(self.label_list)).tolist()

  def loss(self, logits: Any, features: Mapping[str, Any], options: Any = None) -> Any:
    """Mean over a row's words; 0 of a row without any."""
    import tensorflow as tf

    from bert_ja import losses

    losses_of_words = losses.cross_entropy(
      _of_words(logits, features), features["label_ids"], options
    )
    there = tf.cast(features["first_pieces"] > 0, tf.float32)  # [B, W]
    total = tf.reduce_sum(losses_of_words * there, axis=1)
    return total / tf.maximum(tf.reduce_sum(there, axis=1), 1.0)

  def predictions(self, logits: Any, features: Mapping[str, Any]) -> dict[str, Any]:
    """`tag_ids` int32 [B, W], -1 of words without a piece; their `probabilities`."""
    import tensorflow as tf

    probabilities = tf.nn.softmax(_of_words(logits, features))
    ids = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
    return {
      "tag_ids": tf.where(features["first_pieces"] > 0, ids, -1),
      # Tags alone would not show a model whose weights are no numbers: all are O.
      "probabilities": tf.gather(probabilities, ids, batch_dims=2),
    }

  def truth(self, examples: Sequence[word_features.WordExample]) -> dict[str, Any]:
    """`rows`: the examples."""
    return {"rows": examples}

  def scores(self, outputs: Mapping[str, Any]) -> dict[str, float]:
    """`f1`, `precision`, `recall`, `strict_f1`, and `entity_scores.accuracies`."""
    rows = outputs["rows"]
    predicted = self._tags(outputs, rows)
    total, _ = _score(rows, predicted)
    return {
      "f1": total.f1,
      "precision": total.precision,
      "recall": total.recall,
      "strict_f1": _score(rows, predicted, strict=True)[0].f1,
      **entity_scores.accuracies([row.label for row in rows], predicted),
    }

  def _tags(self, outputs, rows):
    """Tags of all words; O of those that a row has no piece of."""
    names = [*self.label_list, "O"]  # -1 is the last.
    return [
      [names[place] for place in word_features.of_all_words(ids, row, -1)]
      for ids, row in zip(outputs["tag_ids"], rows, strict=True)
    ]

  def write_rows(
    self,
    directory: str,
    examples: Sequence[word_features.WordExample],
    outputs: Mapping[str, np.ndarray],
    labels_known: bool,
  ) -> list[str]:
    """As `tagged_files.write_predictions` has them."""
    known = labels_known and all(row.label is not None for row in examples)
    predicted = self._tags(outputs, examples)
    sure = np.where(outputs["tag_ids"] < 0, np.nan, outputs["probabilities"])
    return tagged_files.write_predictions(directory, examples, predicted, sure, known)

  def write_reports(
    self,
    directory: str,
    outputs: Mapping[str, np.ndarray],
    examples: Sequence[word_features.WordExample],
  ) -> list[str]:
    """entity_report.txt, by default and strictly; a confusion matrix of types."""
    predicted = self._tags(outputs, examples)
    scores = {
      name: _score(examples, predicted, strict=name != "type")
      for name in ("type", "strict type")
    }
    tags = [row.label for row in examples], predicted
    paths = label_reports.write_type_matrix(directory, *tags, self.label_list)
    return [*label_reports.write_entity_report(directory, scores), *paths]


def _score(rows, predicted, strict=False):
  """`entity_scores.score` of tags; of texts against their entities in characters."""
  true = [
    word_features.spans_of(row.label, row.offsets, strict)
    if row.entities is None
    else row.entities
    for row in rows
  ]
  guessed = [
    word_features.spans_of(tags, row.offsets, strict)
    for row, tags in zip(rows, predicted, strict=True)
  ]
  return entity_scores.score(true, guessed)


def _of_words(logits, features):
  """Logits of words' first pieces: [B, S, C] -> [B, W, C]."""
  import tensorflow as tf

  return tf.gather(logits, features["first_pieces"], batch_dims=1)
