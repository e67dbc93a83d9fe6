"""Reads raw corpora as streams of documents: lists of sentences.

At most one document is held at a time (one file of the formats that are one JSON value
or a table). Readers take paths that exist and yield `Document`s.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from bert_ja import input_files, table_files, text_io
from bert_ja.ja import aozora, sentences


class Document(NamedTuple):
  """One text of a corpus.

  Attributes:
    name: by which it can be left out: a file's name or a title; "" where the format
      gives none.
    sentences: none is empty or has a line break.
  """

  name: str
  sentences: list[str]


# --- Readers ------------------------------------------------------------------------


def read_wikipedia(
  paths: Sequence[str],
  split: Callable[[str], list[str]] = sentences.split_at_full_stops,
) -> Iterator[Document]:
  """Articles of WikiExtractor's output, as contract B-21 takes them out of it.

  Empty lines, `<doc ...>` and the title behind it are dropped; `</doc>` ends a
  document. A line of white space is dropped too (by B-21 it would end a document).

  Args:
    paths: files, or directories of which all files `wiki_*` are read.
    split: a line's text to its sentences.

  Raises:
    ValueError: not UTF-8, or the first line of text is no `<doc ...>`.
  """
  for path in input_files.files(paths, lambda name: name.startswith("wiki_")):
    yield from _wikipedia_file(path, split)


def _wikipedia_file(path, split):
  name, found, title_follows, begun = "", [], False, False
  for number, line in enumerate(map(str.strip, text_io.stream_lines(path)), 1):
    if not line:
      continue
    if not begun and not line.startswith("<doc "):
      raise ValueError(
        f"{path}, line {number}: expected <doc ...>, as WikiExtractor writes, found "
        f"{line[:40]!r}; for its --json output use --format=jsonl"
      )
    begun = True
    if title_follows:
      name, title_follows = line, False
    elif line.startswith("<doc "):
      title_follows = True
    elif line == "</doc>":
      yield Document(name, found)
      name, found = "", []
    else:
      found += split(line)
  yield Document(name, found)


def read_aozora(paths: Sequence[str]) -> Iterator[Document]:
  """Aozora Bunko's texts, one document a book, without mark-up.

  Args:
    paths: files, directories of which all `.txt` and archives are read, or archives
      (tar, packed or not, and zip) of which all `.txt` are.

  Raises:
    ValueError: neither cp932 nor UTF-8, or a damaged archive.
  """
  for name, path, data in input_files.contents(paths, ".txt"):
    lines = aozora.body(aozora.decode(data, path))
    yield Document(name, [part for line in lines for part in sentences.split(line)])


def read_folder(paths: Sequence[str]) -> Iterator[Document]:
  """UTF-8 files, one document each.

  Args:
    paths: files, directories of which all files are read but hidden ones, or archives.

  Raises:
    ValueError: not UTF-8, or a damaged archive.
  """
  for name, path, data in input_files.contents(paths):
    lines = text_io.decoded_lines(data.split(b"\n"), path)
    yield Document(name, [part for line in lines for part in sentences.split(line)])


def read_text(paths: Sequence[str]) -> Iterator[Document]:
  """UTF-8 files with a sentence a line and blank lines between documents, as they are.

  The end of a file ends a document.

  Raises:
    ValueError: not UTF-8.
  """
  for path in input_files.files(paths):
    found = []
    for line in map(str.strip, text_io.stream_lines(path)):
      if line:
        found.append(line)
      elif found:
        yield Document("", found)
        found = []
    yield Document("", found)


def read_json_lines(
  paths: Sequence[str], text_field: str = "text"
) -> Iterator[Document]:
  """JSON objects, one a line, with a document's text in one field.

  Raises:
    ValueError: not UTF-8, not JSON, or no text in the field.
  """
  for path in input_files.files(paths):
    for number, value in table_files.json_lines(path, text_io.stream_lines(path)):
      text = _field(value, text_field, f"{path}, line {number}")
      yield Document("", sentences.split(text))


def read_table(paths: Sequence[str], text_field: str = "text") -> Iterator[Document]:
  """Rows of `.tsv`, `.csv`, `.json` or `.jsonl` files, each a document.

  Raises:
    ValueError: no such column, or a file that `table_files.read_table` refuses.
  """
  for path in input_files.files(paths):
    for number, row in table_files.read_table(path)[1]:
      text = _field(row, text_field, f"{path}, line {number}")
      yield Document("", sentences.split(text))


def read_squad(paths: Sequence[str]) -> Iterator[Document]:
  """Contexts of SQuAD files: the paragraphs of an article are a document.

  A context that was read before, in any file, is left out.

  Raises:
    ValueError: not the form of SQuAD.
  """
  seen = set()
  for path in input_files.files(paths):
    data = _field(text_io.read_json(path), "data", path, list)
    for number, article in enumerate(data):
      place, found = f"{path}, data[{number}]", []
      for index, paragraph in enumerate(_field(article, "paragraphs", place, list)):
        text = _field(paragraph, "context", f"{place}.paragraphs[{index}]")
        if text not in seen:
          seen.add(text)
          found += sentences.split(text)
      yield Document(str(article.get("title", "")), found)


_KINDS = {str: "a text", list: "a list"}


def _field(value: Any, name: str, place: str, kind: type = str) -> Any:
  """A value of an object, checked; texts can be written as UTF-8."""
  if not isinstance(value, dict):
    raise ValueError(f"{place}: expected a JSON object, found {type(value).__name__}")
  if name not in value:
    raise ValueError(
      f"{place}: expected {name!r}, found {', '.join(map(repr, value)) or 'nothing'}"
    )
  field = value[name]
  if not isinstance(field, kind):
    raise ValueError(
      f"{place}: expected {_KINDS[kind]} in {name!r}, found {type(field).__name__}"
    )
  if kind is str:
    try:
      field.encode()
    except UnicodeEncodeError as error:
      raise ValueError(
        f"{place}: {name!r} has half of a surrogate pair (character {error.start}); "
        "mend the escapes of the file"
      ) from None
  return field


# --- What is done with documents ----------------------------------------------------


class Filter:
  """Documents with normalized sentences, without those to leave out.

  Attributes:
    num_excluded: documents left out so far for their names.
    num_short: documents left out so far for their length.
    unmet: names to leave out that no document has had so far.
  """

  def __init__(
    self,
    normalize: Callable[[str], str] = str,
    min_characters: int = 1,
    excluded: Collection[str] = (),
  ):
    """Prepares.

    Args:
      normalize: a sentence to what is written of it.
      min_characters: shorter documents are left out; 1 leaves out empty ones.
      excluded: names of documents to leave out.
    """
    self._normalize = normalize
    self._min_characters = max(min_characters, 1)
    self._excluded, self.unmet = frozenset(excluded), set(excluded)
    self.num_excluded = self.num_short = 0

  def __call__(self, documents: Iterable[Document]) -> Iterator[Document]:
    """The documents that are left, as a stream."""
    for document in documents:
      if document.name in self._excluded:
        self.unmet.discard(document.name)
        self.num_excluded += 1
        continue
      changed = (self._normalize(part).strip() for part in document.sentences)
      kept = [part for part in changed if part]
      if sum(map(len, kept)) < self._min_characters:
        self.num_short += bool(document.sentences)
        continue
      yield Document(document.name, kept)


class Count(NamedTuple):
  """What a file of the corpus holds; characters are Unicode code points."""

  documents: int = 0
  sentences: int = 0
  characters: int = 0

  def plus(self, found: Sequence[str]) -> "Count":
    """With one more document."""
    characters = self.characters + sum(map(len, found))
    return Count(self.documents + 1, self.sentences + len(found), characters)


def write(documents: Iterable[Document], paths: Sequence[str]) -> list[Count]:
  """Writes one sentence a line and a blank line behind each document.

  Documents go to the files in turn. All files appear when all are complete.

  Args:
    documents: read as a stream.
    paths: the files.

  Returns:
    What each file holds.

  Raises:
    ValueError: there are fewer documents than files.
  """
  counts = [Count()] * len(paths)
  with contextlib.ExitStack() as names:
    temporaries = [names.enter_context(text_io.path_written_whole(p)) for p in paths]
    # Closed before the first takes its name: a full disk may show when closing.
    with contextlib.ExitStack() as opened:
      files = [opened.enter_context(text_io.open_file(p, "w")) for p in temporaries]
      for number, document in enumerate(documents):
        place = number % len(paths)
        files[place].write("\n".join(document.sentences) + "\n\n")
        counts[place] = counts[place].plus(document.sentences)
      if not counts[0].documents:
        raise ValueError(
          "no document is left to write: the input has no text, or all of it is left out"
        )
      if not counts[-1].documents:
        number = sum(count.documents for count in counts)
        raise ValueError(
          f"--num_files={len(paths)} is more than the {number} documents; lower it"
        )
  return counts
