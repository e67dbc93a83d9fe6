"""RCQA, Tohoku University's quiz questions with scored documents, to SQuAD 2.0 files.

Each document of a question becomes a context of its own. A form says how texts are
written: as they are, or as words with one space between them.
"""

import contextlib
import dataclasses
import datetime
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from bert_ja import table_files, text_io
from bert_ja.data import parallel, span_features
from bert_ja.ja import normalization, segmenters, sentence_piece

SENTENCE_PIECE_SUFFIXES = ("bert-wiki-ja", "hottoSNS-bert")
SUFFIXES = ("text", "jumandic", "jumanpp", "ipadic", *SENTENCE_PIECE_SUFFIXES)
_FILES = {
  "train": ("dataset_train", "train"),
  "dev": ("dataset_train", "dev"),
  "test": ("dataset_eval", "test"),
}
SPLITS = tuple(_FILES)
_DEV_YEAR = 2009
_ANSWERABLE_SCORE = 2  # the least of a document that answers the question
_MOST_DOCUMENTS = 9999  # four digits of an id
_SHOWN = 40

# Called with (questions done, questions in all).
Progress = Callable[[int, int], None]


class Document(NamedTuple):
  """A text, and how well it answers the question."""

  text: str
  score: float


class Question(NamedTuple):
  """One row of the data: a question, its answer and at least one document."""

  qid: str
  split: str
  question: str
  answer: str
  documents: tuple[Document, ...]


@dataclasses.dataclass(frozen=True)
class Form:
  """How texts are written in the files of one suffix; pickles.

  Attributes:
    suffix: one of `SUFFIXES`.
    normalize: text -> text, before it is split.
    split: text -> words or pieces; None where texts stay as they are.
  """

  suffix: str
  normalize: normalization.Chain = normalization.Chain()
  split: Callable[[str], list[str]] | None = None

  def __call__(self, text: str) -> str:
    """The text in this form: words with one space between them."""
    if self.split is None:
      return text
    return " ".join(self.split(self.normalize(text)))


@dataclasses.dataclass
class Counts:
  """What one file holds and lacks.

  Attributes:
    documents: documents of the questions of the split.
    answerable: those with a score of 2 or more.
    not_found: answerable documents without the answer's text. They are not in the file,
      since neither a place nor "impossible" would be true of them.
  """

  documents: int = 0
  answerable: int = 0
  not_found: int = 0

  @property
  def found(self) -> int:
    """Answerable documents in the file."""
    return self.answerable - self.not_found

  @property
  def written(self) -> int:
    """Documents in the file."""
    return self.documents - self.not_found


def create_form(suffix: str, model_file: str | None = None) -> Form:
  """Makes the form of a suffix.

  Args:
    suffix: one of `SUFFIXES`.
    model_file: SentencePiece model of the suffixes that need one.

  Raises:
    FileNotFoundError: no such model, or Juman++ is not installed.
    ImportError: a package is not installed.
    ValueError: another suffix, a model where none belongs, or none where one does.
  """
  if suffix not in SUFFIXES:
    raise ValueError(f"--suffixes: {suffix!r} is not one of {', '.join(SUFFIXES)}")
  if (suffix in SENTENCE_PIECE_SUFFIXES) != bool(model_file):
    needs = "takes no" if model_file else "needs a"
    raise ValueError(f"--suffixes: {suffix} {needs} SentencePiece model (--model_file)")
  try:
    steps, split = _parts(suffix, model_file)
  except (ImportError, FileNotFoundError) as error:
    # The parts name the flag that mostly asks for them; it was another one here.
    message = str(error).replace("--tokenizer", f"--suffixes={suffix}")
    raise type(error)(message) from error
  return Form(suffix, normalization.Chain(steps), split)


def _parts(suffix, model_file):
  """(steps of normalization, function that splits)."""
  if suffix == "text":
    return (), None
  if suffix == "ipadic":
    return (normalization.Nfkc(),), segmenters.Mecab("ipadic").split
  if suffix in SENTENCE_PIECE_SUFFIXES:
    pieces = sentence_piece.SentencePiece(model_file).pieces
    return (normalization.LowerCase(),), pieces
  steps = (normalization.FullWidth(), normalization.Replace("\u3000", " "))
  if suffix == "jumandic":
    return steps, segmenters.Mecab("jumandic").split
  return (*steps, normalization.Replace("\n", " ")), segmenters.Jumanpp().split


def output_files(output_dir: str, suffix: str) -> dict[str, str]:
  """{split: path of its file}, by the names of the published procedure."""
  return {
    split: os.path.join(output_dir, folder, f"{name}-v1.0.{suffix}.json")
    for split, (folder, name) in _FILES.items()
  }


def read_questions(input_file: str) -> tuple[list[Question], int]:
  """Reads `all-v1.0.json.gz`, or the same without compression, line by line.

  The split is that of the timestamp's year: train before 2009, dev 2009, test later.

  Returns:
    (questions with documents, number of rows without, which are left out).

  Raises:
    FileNotFoundError: the path does not exist.
    ValueError: damaged, not UTF-8, not JSON lines, a value that is missing or of
      another kind, a qid that was there before, or no question at all; the message
      names file and line.
  """
  questions, without_documents, line_of = [], 0, {}
  lines = text_io.stream_lines(input_file)
  for number, values in table_files.json_lines(input_file, lines):
    place = f"{input_file}, line {number}"
    _expect(values, dict, "a JSON object", place)
    if not values.get("documents"):
      without_documents += 1
      continue
    question = _question(values, place)
    first = line_of.setdefault(question.qid, number)
    if first != number:
      raise ValueError(
        f"{place}: qid {question.qid!r} is that of line {first} too; each question "
        "needs its own"
      )
    questions.append(question)
  if not questions:
    raise ValueError(
      f"{input_file}: expected JSON lines of questions with documents, found none"
    )
  return questions, without_documents


def _question(values, place):
  qid, question, answer, timestamp = (
    _expect(values.get(name), str, f"a text as {name!r}", place)
    for name in ("qid", "question", "answer", "timestamp")
  )
  split = _split_of(timestamp, place)
  rows = _expect(values["documents"], list, "a list as 'documents'", place)
  if len(rows) > _MOST_DOCUMENTS:
    raise ValueError(
      f"{place}: expected at most {_MOST_DOCUMENTS} documents, since ids have four "
      f"digits for them, found {len(rows)}"
    )
  documents = tuple(
    _document(row, f"{place}: documents[{index}]") for index, row in enumerate(rows)
  )
  return Question(qid, split, question, answer, documents)


def _document(values, place):
  values = _expect(values, dict, "an object", place)
  text = _expect(values.get("text"), str, "a text as 'text'", place)
  score = _expect(values.get("score"), (int, float), "a number as 'score'", place)
  return Document(text, score)


def _expect(value, kinds, wanted, place):
  if isinstance(value, kinds) and not isinstance(value, bool):
    return value
  found = json.dumps(value, ensure_ascii=False)
  found = found if len(found) <= _SHOWN else f"{found[:_SHOWN]}..."
  raise ValueError(f"{place}: expected {wanted}, found {found}")


_DATE = re.compile("([0-9]{4})([/-])([0-9]{1,2})\\2([0-9]{1,2})(?![0-9])")


def _split_of(timestamp, place):
  """Train, dev or test, by the year of `YYYY/MM/DD` or `YYYY-MM-DD` and what follows."""
  match = _DATE.match(timestamp)
  try:
    year = datetime.date(*map(int, match.group(1, 3, 4))).year if match else None
  except ValueError:
    year = None
  if year is None:
    raise ValueError(
      f"{place}: expected a timestamp that starts with a date, YYYY/MM/DD or "
      f"YYYY-MM-DD, found {timestamp[:_SHOWN]!r}"
    )
  if year == _DEV_YEAR:
    return "dev"
  return "train" if year < _DEV_YEAR else "test"


def find_answer(context: str, answer: str) -> span_features.Answer | None:
  """The first place where an answer stands, whatever white space and ▁ are between.

  Args:
    context: the text to search.
    answer: the text to find.

  Returns:
    The answer as it stands in the context, from its first to its last character that is
    neither white space nor ▁; None where it does not stand there or has no such
    character.
  """
  characters = _IGNORED.sub("", answer)
  if not characters:
    return None
  match = re.search(_IGNORED.pattern.join(map(re.escape, characters)), context)
  return span_features.Answer(match[0], match.start()) if match else None


_IGNORED = re.compile(r"[\s▁]*")


def convert(
  questions: Sequence[Question],
  form: Form,
  output_dir: str,
  progress: Progress | None = None,
) -> dict[str, Counts]:
  """Writes the three files of a form, whole or not at all, on all cores.

  Args:
    questions: those of `read_questions`.
    form: how texts are written.
    output_dir: where `output_files` go; folders are made.
    progress: called after each question.

  Returns:
    {split: what its file holds}.
  """
  paths = output_files(output_dir, form.suffix)
  for path in paths.values():
    text_io.makedirs(os.path.dirname(path))
  counts = {split: Counts() for split in SPLITS}
  results = parallel.ordered_map(_convert_question, form, questions)
  with contextlib.ExitStack() as stack:
    stack.enter_context(contextlib.closing(results))
    writers = {
      split: stack.enter_context(_data_written(path)) for split, path in paths.items()
    }
    for done, question in enumerate(questions, 1):
      entries, answerable = next(results)
      for entry in entries:
        writers[question.split](entry)
      count = counts[question.split]
      count.documents += len(question.documents)
      count.answerable += answerable
      count.not_found += len(question.documents) - len(entries)
      if progress is not None:
        progress(done, len(questions))
  return counts


@contextlib.contextmanager
def _data_written(path) -> Iterator[Callable[[str], None]]:
  """Yields a function that writes one entry of a SQuAD file's `data`."""
  with text_io.written_whole(path) as writer:
    writer.write('{"version": "v2.0", "data": [')
    separators = itertools.chain(("\n",), itertools.repeat(",\n"))
    yield lambda entry: writer.write(next(separators) + entry)
    writer.write("\n]}\n")


def _convert_question(form, question):
  """Runs in a worker process.

  Returns:
    (JSON of an entry for each document, how many documents are answerable).
  """
  question_text, answer_text = form(question.question), form(question.answer)
  entries, answerable = [], 0
  for number, document in enumerate(question.documents, 1):
    context, answers = form(document.text), []
    is_answerable = document.score >= _ANSWERABLE_SCORE
    if is_answerable:
      answerable += 1
      answer = find_answer(context, answer_text)
      if answer is None:
        continue
      answers.append({"text": answer.text, "answer_start": answer.start})
    qas_id = f"{question.qid}{number:04d}"
    row = {
      "id": qas_id,
      "question": question_text,
      "is_impossible": not is_answerable,
      "answers": answers,
    }
    entries.append(
      _json({"title": qas_id, "paragraphs": [{"context": context, "qas": [row]}]})
    )
  return entries, answerable


def _json(value):
  text = json.dumps(value, ensure_ascii=False)
  try:
    text.encode()
  except UnicodeEncodeError:  # Half a character, which only an escape can hold.
    return json.dumps(value)
  return text
