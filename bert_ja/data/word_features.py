"""Words, each with a tag, to the rows of ids of a `heads.TokenClassifier`.

The functions stand in for those of `pair_features`, by their names. S positions of a
row, W = S - 2 words of it at most.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from absl import logging

from bert_ja import entity_scores
from bert_ja.data import (
  example_log,
  feature_cache,
  labels,
  pair_features,
  parallel,
  records,
)

# Part of the cache key: changes with what is stored for the same words.
_CACHE_FORMAT = 1
_LOGGED_EXAMPLES = 5

Span = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class WordExample:
  """A sentence in words, or a text that `split_texts` makes words of.

  Attributes:
    guid: name of the example.
    words: its words; none before a text is split.
    label: one tag a word, and of a text that is not split its entities, in characters;
      None where they are not known.
    source: file and line it came from, for messages.
    text: the text that the words are of; None for words that were given as such.
    offsets: where each word stands in the text, in characters.
    pieces: ids of each word's pieces, as the whole text has them; None where each word
      is tokenized alone.
    entities: of a text that is split and whose entities are known, these in characters:
      tags cannot say those that do not begin and end with words.
  """

  guid: str
  words: Sequence[str] = ()
  label: Sequence[str] | Sequence[entity_scores.Entity] | None = None
  source: str | None = None
  text: str | None = None
  offsets: Sequence[Span] | None = None
  pieces: Sequence[Sequence[int]] | None = None
  entities: Sequence[entity_scores.Entity] | None = None


class Tags(labels.Labels):
  """One of C tags for each word: a list of places in the list of names."""

  filler = ()

  def _value(self, label, example):
    try:
      return [self._ids[tag] for tag in label]
    except KeyError as error:
      raise ValueError(
        f"{labels.place(example)}: tag {error.args[0]!r} is not one of "
        f"{labels.name_labels(self.names)}"
      ) from None


# --- Texts to words -----------------------------------------------------------------


def split_texts(examples: Sequence[WordExample], tokenizer: Any) -> list[WordExample]:
  """Makes words and tags of examples that are texts; others stay as they are.

  Words are the tokenizer's: a piece and those behind it that continue it with ##. A
  word has the tag of the entity that most of its characters are in. Entities that do
  not begin and end with words are counted in the log.
  """
  texts = [row.text for row in examples if row.text is not None]
  split = parallel.ordered_map(_split_text, tokenizer, texts)
  rows, misfits, count = [], 0, 0
  for row in examples:
    if row.text is not None:
      offsets, pieces = next(split)
      tags = None
      if row.label is not None:
        tags = tags_of(row.label, offsets)
        misfits += len(set(row.label) - set(spans_of(tags, offsets)))
        count += len(row.label)
      row = dataclasses.replace(
        row,
        words=[row.text[start:end] for start, end in offsets],
        label=tags,
        offsets=offsets,
        pieces=pieces,
        entities=row.label,
      )
    rows.append(row)
  if misfits:
    logging.warning(
      "%d of %d spans do not begin and end with words of the tokenizer; they are "
      "trained on as the words that they overlap, and count as missed",
      misfits,
      count,
    )
  return rows


def _split_text(tokenizer, text):
  """(offsets of words, ids of their pieces); runs in a worker process."""
  tokens, spans = tokenizer.tokenize_with_offsets(text)
  offsets, pieces = [], []
  for token, index, (start, end) in zip(
    tokens, tokenizer.encode(text), spans, strict=True
  ):
    # Pieces may have the space before a word, or be nothing else.
    start = min(end, start + len(text[start:end]) - len(text[start:end].lstrip()))
    if offsets and offsets[-1][0] == offsets[-1][1]:
      offsets[-1] = start, end
      pieces[-1].append(index)
    elif offsets and token.startswith("##") and start <= offsets[-1][1]:
      offsets[-1] = offsets[-1][0], end
      pieces[-1].append(index)
    else:
      offsets.append((start, end))
      pieces.append([index])
  return offsets, pieces


def tags_of(
  entities: Sequence[entity_scores.Entity], offsets: Sequence[Span]
) -> list[str]:
  """Tags of words that overlap entities.

  Args:
    entities: in characters, none overlapping another.
    offsets: of the words, in characters, in the order of the text.
  """
  tags, previous, first = [], None, 0
  entities = sorted(entities)
  for start, end in offsets:
    while first < len(entities) and entities[first].end <= start:
      first += 1
    best, most = None, 0
    for entity in entities[first:]:
      if entity.start >= end:
        break
      shared = min(end, entity.end) - max(start, entity.start)
      if shared > most:
        best, most = entity, shared
    if best is None:
      tags.append("O")
    else:
      tags.append(f"{'I' if best is previous else 'B'}-{best.type}")
    previous = best
  return tags


def spans_of(
  tags: Sequence[str], offsets: Sequence[Span] | None, strict: bool = False
) -> list[entity_scores.Entity]:
  """Entities of tags: in characters where words have offsets, in words else.

  Args:
    tags: one a word.
    offsets: of the words.
    strict: as `entity_scores.entities` has it.
  """
  found = entity_scores.entities(tags, strict)
  if offsets is None:
    return found
  return [
    entity_scores.Entity(offsets[start][0], offsets[end - 1][1], name)
    for start, end, name in found
  ]


def of_all_words(values: Sequence[Any], example: WordExample, filler: Any) -> list[Any]:
  """A row's values of W words as those of its example; words beyond W have a filler."""
  length = len(example.words)
  return [*values[:length], *[filler] * (length - len(values))]


# --- Words to rows ------------------------------------------------------------------


def check(examples: Sequence[WordExample], label_list: labels.Labels) -> None:
  """Checks all that can be wrong with examples.

  Raises:
    ValueError: a tag is not in the list; the message names its place.
  """
  label_list.values(examples)


def feature_spec(
  max_seq_length: int, label_list: labels.Labels
) -> dict[str, records.Feature]:
  """What a record holds: a text's ids; of each word, its first piece and its tag.

  `first_pieces` int [W] are positions, 0 where a word has no piece in the row, and
  `label_ids` int [W] ids of tags, 0 there too. A batch that is cut keeps all W.
  """
  words = records.Feature((max_seq_length - 2,), flag="max_seq_length")
  spec = pair_features.feature_spec(max_seq_length)
  return spec | {"first_pieces": words, "label_ids": words}


def cached_features(
  examples: Sequence[WordExample],
  label_list: labels.Labels,
  max_seq_length: int,
  tokenizer: Any,
  output_file: str,
  cache_dir: str | None = None,
  progress: pair_features.Progress | None = None,
) -> bool:
  """Converts examples to a TFRecord file, unless it is there already.

  Args:
    examples: sentences in words.
    label_list: the tags of the task.
    max_seq_length: S; what is longer is cut.
    tokenizer: the tokenizer.
    output_file: the TFRecord file; `<output_file>.key` beside it says what it holds.
    cache_dir: as `pair_features.cached_features` has it.
    progress: called as the conversion goes on.

  Returns:
    Whether examples were converted.
  """
  pair_features.check_length(max_seq_length)
  settings = ("words", _CACHE_FORMAT, max_seq_length, label_list.key)
  rows = ((list(row.words), row.label, row.pieces) for row in examples)
  key = feature_cache.content_key(tokenizer, settings, rows)
  arguments = (examples, label_list, max_seq_length, tokenizer, progress)
  return feature_cache.convert_once(
    len(examples),
    key,
    output_file,
    cache_dir,
    lambda: records.write_records(output_file, _convert(*arguments)),
  )


def _convert(examples, label_list, max_seq_length, tokenizer, progress) -> Iterator:
  """Yields the records of all examples."""
  values = label_list.values(examples)
  rows = [(row.words, row.pieces) for row in examples]
  packed = parallel.ordered_map(_pack, (tokenizer, max_seq_length), rows)
  words_lost = rows_lost = 0
  for index, (row, ids, places) in enumerate(
    zip(examples, values, packed, strict=True)
  ):
    pieces, first_pieces = places
    if index < _LOGGED_EXAMPLES:
      _log_example(row, tokenizer, pieces, first_pieces)
    lost = len(row.words) - sum(map(bool, first_pieces))
    words_lost, rows_lost = words_lost + lost, rows_lost + bool(lost)
    kept = [tag if place else 0 for tag, place in zip(ids, first_pieces, strict=False)]
    yield records.encode_example(
      {
        "input_ids": pair_features.pad(pieces, max_seq_length, tokenizer.pad_id),
        "input_mask": pair_features.pad([1] * len(pieces), max_seq_length),
        "segment_ids": [0] * max_seq_length,
        "first_pieces": pair_features.pad(first_pieces, max_seq_length - 2),
        "label_ids": pair_features.pad(kept, max_seq_length - 2),
        "is_real_example": [1],
      }
    )
    if progress is not None:
      progress(index + 1, len(examples))
  if words_lost:
    logging.warning(
      "%d words of %d sentences have no piece within --max_seq_length=%d: they are not "
      "trained on, and predicted as O",
      words_lost,
      rows_lost,
      max_seq_length,
    )


def _pack(tokenizer_and_length, row):
  """([CLS] pieces [SEP], first pieces' places of W words at most); in a worker."""
  tokenizer, max_seq_length = tokenizer_and_length
  words, pieces = row
  room = max_seq_length - 2
  if pieces is None:
    pieces = map(tokenizer.encode, words[:room])
  ids, first_pieces = [], []
  for word in list(pieces)[:room]:
    # Position 0 is [CLS].
    first_pieces.append(len(ids) + 1 if word and len(ids) < room else 0)
    ids += word
  cls_id, sep_id = tokenizer.convert_tokens_to_ids(("[CLS]", "[SEP]"))
  return [cls_id, *ids[:room], sep_id], first_pieces


def _log_example(row, tokenizer, pieces, first_pieces):
  tokens = tokenizer.convert_ids_to_tokens(pieces)
  firsts = [tokens[place] if place else "-" for place in first_pieces]
  example_log.log_example(
    [
      ("guid", row.guid),
      ("tokens", tokens),
      ("first pieces", firsts),
      ("tags", row.label or ()),
    ]
  )
