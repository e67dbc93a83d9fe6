"""Files of sentences in which words have tags, or texts have spans.

JSON, one object a line or one list of objects: `tokens` and `tags`; or `text` and
`spans`, a list of {"start", "end", "type"} in characters. CoNLL: one word and its tag a
line, a blank line between sentences; of more columns the first and the last count. Or a
directory: `seq.in` has a sentence of words a line, `seq.out` their tags.
"""

import itertools
import json
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

from bert_ja import entity_scores, table_files, text_io
from bert_ja.data import word_features

# What a new part of a file begins with: it ends a sentence and is none (CoNLL 2003).
_DOCUMENT = "-DOCSTART-"


def read_sentences(
  path: str, set_type: str, tags_column: str = "tags", id_column: str = "id"
) -> list[word_features.WordExample]:
  """Reads a file or directory.

  Args:
    path: `.json` and `.jsonl` are JSON, other files CoNLL.
    set_type: "train", "dev" or "test"; in the last, tags may lack.
    tags_column: what JSON calls tags.
    id_column: what JSON calls the sentences' names; `<set>-<number>` without.

  Raises:
    FileNotFoundError: the path does not exist.
    ValueError: anything that is not as above; the message names file and line.
  """
  if text_io.isdir(path):
    rows = _read_sequences(path)
  elif os.path.splitext(path)[1].lower() in (".json", ".jsonl"):
    rows = _read_json(path, tags_column, id_column)
  else:
    rows = _read_conll(path)
  examples = []
  for number, row in enumerate(rows, 1):
    example = word_features.WordExample(**{"guid": f"{set_type}-{number}", **row})
    if example.label is None and set_type != "test":
      raise ValueError(
        f"{example.source}: expected tags or spans, found none; JSON has {tags_column} "
        "(choose with --label_column) beside tokens, or spans beside text"
      )
    if example.text is None:
      _check(example)
    examples.append(example)
  if not examples:
    raise ValueError(f"{path} has no sentences")
  return examples


def _check(example):
  """Checks words and their tags."""
  source, words, tags = example.source, example.words, example.label
  if not words:
    raise ValueError(f"{source}: the sentence is empty; expected at least one word")
  if tags is None:
    return
  if len(tags) != len(words):
    raise ValueError(
      f"{source}: expected one tag for each word, found {len(tags)} tags and "
      f"{len(words)} words"
    )
  for tag in tags:
    if tag != "O" and not entity_scores.TAG.fullmatch(tag):
      raise ValueError(
        f"{source}: expected tags O, B-<type> and I-<type>, found {tag!r}; write S- and "
        "U- of other schemes as B-, and E-, L- and M- as I-"
      )


def _read_conll(path) -> Iterator[dict[str, Any]]:
  rows = []
  columns = None
  for number, line in enumerate([*text_io.read_lines(path), ""], 1):
    cells = _cells(line)
    if cells and cells[0] != _DOCUMENT:
      columns = columns or len(cells)
      if len(cells) != columns:
        raise ValueError(
          f"{path}, line {number}: expected {columns} columns as in the first line, "
          f"found {len(cells)}"
        )
      rows.append(cells)
      continue
    if rows:
      yield {
        "words": [row[0] for row in rows],
        "label": [row[-1].strip() for row in rows] if columns > 1 else None,
        "source": f"{path}, line {number - len(rows)}",
      }
    rows = []


def _read_sequences(path):
  words, tags = (os.path.join(path, name) for name in ("seq.in", "seq.out"))
  if not text_io.exists(words):
    raise FileNotFoundError(f"{path} has no seq.in; expected one sentence a line there")
  sentences, labels = text_io.read_lines(words), itertools.repeat(None)
  if text_io.exists(tags):
    labels = text_io.read_lines(tags)
    if len(labels) != len(sentences):
      raise ValueError(
        f"{tags}: expected {len(sentences)} lines as in seq.in, found {len(labels)}"
      )
  for number, (line, label) in enumerate(zip(sentences, labels, strict=False), 1):
    yield {
      "words": _cells(line),
      "label": None if label is None else _cells(label),
      "source": f"{words}, line {number}",
    }


def _cells(line: str) -> Sequence[str]:
  """What tabs separate, or else spaces; no other white space, which can be a word."""
  if "\t" in line and line.strip(" \t"):
    return line.split("\t")
  return [cell for cell in line.strip("\t").split(" ") if cell]


def _read_json(path, tags_column, id_column):
  _, rows = table_files.read_table(path)
  for line, row in rows:
    source = f"{path}, line {line}"
    fields = {"source": source}
    if row.get(id_column) is not None:
      fields["guid"] = str(row[id_column])
    if "tokens" in row:
      fields["words"] = _texts(row, "tokens", source)
      if row.get(tags_column) is not None:
        fields["label"] = _texts(row, tags_column, source)
    elif isinstance(row.get("text"), str) and row["text"].strip():
      fields["text"] = row["text"]
      if row.get("spans") is not None:
        fields["label"] = _entities(row["spans"], row["text"], source)
    else:
      raise ValueError(
        f"{source}: expected tokens, a list of texts, or text, one that is not empty"
      )
    yield fields


def _texts(row, column, source):
  value = row[column]
  if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
    raise ValueError(f"{source}, column {column!r}: expected a list of texts")
  return value


def _entities(spans, text, source):
  """Entities in characters, in the order of the text."""
  if not isinstance(spans, list):
    raise ValueError(f"{source}, column 'spans': expected a list of objects")
  found = sorted(_entity(span, text, source) for span in spans)
  for before, after in itertools.pairwise(found):
    if after.start < before.end:
      raise ValueError(
        f"{source}: spans {before.start} to {before.end} and {after.start} to "
        f"{after.end} overlap; a word has one tag"
      )
  return found


def _entity(span, text, source):
  values = [
    span.get(name) if isinstance(span, dict) else None
    for name in ("start", "end", "type")
  ]
  start, end, name = values
  if (
    [type(value) for value in values] != [int, int, str]
    or not 0 <= start < end <= len(text)
    or not name
  ):
    raise ValueError(
      f"{source}: expected spans with a type and 0 <= start < end <= {len(text)}, the "
      f"characters of the text, found {span!r}"
    )
  return entity_scores.Entity(start, end, name)


def write_predictions(
  directory: str,
  examples: Sequence[word_features.WordExample],
  predicted: Sequence[Sequence[str]],
  probabilities: Sequence[Sequence[float]],
  with_labels: bool,
) -> list[str]:
  """Writes predictions.jsonl, with tags, probabilities, spans, and predictions.tsv.

  Spans of texts are in characters, others in words; an end is exclusive. The TSV file is
  CoNLL: a word, its true tag if asked for, the predicted one.

  Args:
    directory: an existing one.
    examples: R sentences, in words.
    predicted: R lists of tags, one a word.
    probabilities: those of the tags, [R, W]; NaN of words without a piece.
    with_labels: whether to write the true tags, which all examples have then.

  Returns:
    The paths.
  """
  paths = [
    os.path.join(directory, f"predictions.{ending}") for ending in ("jsonl", "tsv")
  ]
  with (
    text_io.written_whole(paths[0]) as objects,
    text_io.written_whole(paths[1]) as lines,
  ):
    sentences = zip(examples, predicted, probabilities, strict=True)
    for row, tags, values in sentences:
      objects.write(json.dumps(_as_json(row, tags, values), ensure_ascii=False) + "\n")
      columns = (row.words, row.label, tags) if with_labels else (row.words, tags)
      for cells in zip(*columns, strict=True):
        lines.write("\t".join(map(text_io.one_cell, cells)) + "\n")
      lines.write("\n")
  return paths


def _as_json(row, tags, probabilities):
  probabilities = word_features.of_all_words(probabilities, row, math.nan)
  spans = []
  for entity in word_features.spans_of(tags, row.offsets):
    part = (row.words if row.text is None else row.text)[entity.start : entity.end]
    text = " ".join(part) if row.text is None else part
    spans.append({**entity._asdict(), "text": text})
  text = {} if row.text is None else {"text": row.text}
  return {
    "id": row.guid,
    **text,
    "words": [*row.words],
    "tags": [*tags],
    "probabilities": [
      None if math.isnan(x) else round(float(x), 4) for x in probabilities
    ],
    "spans": spans,
  }
