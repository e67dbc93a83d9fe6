"""Questions with paragraphs, one of which answers each: reading, choices, files.

Paragraphs are a pool without repetitions, and are named by their places in it.
"""

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bert_ja import text_io
from bert_ja.data.span_features import Answer, SquadExample
from bert_ja.tasks import squad


@dataclasses.dataclass(frozen=True)
class Question:
  """A question and where its answer may stand.

  Attributes:
    qas_id: the question's id.
    text: the question.
    paragraphs: places of its paragraphs, each once.
    relevant: place of the paragraph that answers it; None where it is not known.
    answers: right answers in that paragraph; empty where none is known.
    source: file and element it came from, for messages.
  """

  qas_id: str
  text: str
  paragraphs: Sequence[int]
  relevant: int | None
  answers: tuple[Answer, ...]
  source: str

  @property
  def is_answered(self) -> bool:
    """Whether paragraph and answer are known."""
    return self.relevant is not None and bool(self.answers)


@dataclasses.dataclass(frozen=True)
class ReadingSet:
  """Questions and the pool that their paragraphs are in."""

  pool: list[str]
  questions: list[Question]

  @property
  def is_answered(self) -> bool:
    """Whether all paragraphs and answers are known; scores need them."""
    return all(question.is_answered for question in self.questions)

  def digest(self, *settings: Any) -> str:
    """A name of what is here, and of settings."""
    digest = hashlib.sha256(repr(settings).encode())
    # Where a question was read from is no part of it: a path has many spellings.
    questions = (
      dataclasses.replace(question, source="") for question in self.questions
    )
    for value in (*self.pool, *questions):
      digest.update(repr(value).encode() + b"\n")
    return digest.hexdigest()[:16]


class _Pool:
  """Texts by place, each once."""

  def __init__(self):
    self.places: dict[str, int] = {}

  def place(self, text, source):
    if not text.strip():
      raise ValueError(f"{source}: the paragraph is empty; expected a text")
    return self.places.setdefault(text, len(self.places))


# --- Reading --------------------------------------------------------------------------


def read(
  path: str, context_file: str | None = None, whole_pool: bool = False
) -> ReadingSet:
  """Reads questions with their paragraphs.

  Two forms: SQuAD's, where a question's paragraphs are those of its document; and a
  list of objects with `id`, `question`, `paragraphs` (places in the context file),
  `relevant` (one of them) and `answers` (a list of objects with `text` and `start`) or
  `answer` (one of them), the last three of which may lack; with `whole_pool` also
  `paragraphs`.

  Args:
    path: a JSON file; of SQuAD's form also a pattern such as `train/*.json`.
    context_file: a JSON list of paragraphs, which a list of questions needs.
    whole_pool: whether all paragraphs there are belong to each question.

  Returns:
    At least one question.

  Raises:
    FileNotFoundError: no such file.
    ValueError: another form, an empty paragraph, a place outside its range, an id that
      is there twice, or no question; the message names file and element.
  """
  paths = text_io.named_by(path)
  if not paths:
    raise FileNotFoundError(f"{path} does not exist")
  documents = {name: text_io.read_json(name) for name in paths}
  if isinstance(documents[paths[0]], list):
    if context_file is None:
      raise ValueError(
        f"{path} is a list of questions, whose paragraphs are in another file; name it "
        "with --context_file"
      )
    if len(paths) > 1:
      raise ValueError(f"{path}: expected one list of questions, found {len(paths)}")
    rows = documents[paths[0]]
    pool, questions = _read_list(paths[0], rows, context_file, whole_pool)
  elif context_file is not None:
    raise ValueError(
      f"--context_file is for a list of questions; {path} has the form of SQuAD, where "
      "paragraphs are in the same file"
    )
  else:
    pool, questions = _read_squad(path, documents)
    if whole_pool:  # It is known when all files are read.
      everything = range(len(pool.places))
      questions = [dataclasses.replace(q, paragraphs=everything) for q in questions]
  return ReadingSet(list(pool.places), questions)


def _read_squad(path, documents):
  # It checks all that is then taken for granted, and has the same order.
  examples = iter(squad.read_squad_examples(path))
  pool, questions = _Pool(), []
  for name, document in documents.items():
    for number, article in enumerate(document["data"]):
      places = [
        pool.place(paragraph["context"], f"{name}, data[{number}].paragraphs[{index}]")
        for index, paragraph in enumerate(article["paragraphs"])
      ]
      of_article = list(dict.fromkeys(places))
      for place, paragraph in zip(places, article["paragraphs"], strict=True):
        for _ in paragraph["qas"]:
          example = next(examples)
          questions.append(
            Question(
              example.qas_id,
              example.question_text,
              of_article,
              place,
              # Some files give an unanswerable question an empty answer.
              () if example.is_impossible else example.answers,
              example.source,
            )
          )
  return pool, questions


def _read_list(path, rows, context_file, whole_pool):
  texts = text_io.read_json(context_file)
  if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
    raise ValueError(f"{context_file}: expected a JSON list of texts")
  pool = _Pool()
  places = [
    pool.place(text, f"{context_file}, [{index}]") for index, text in enumerate(texts)
  ]
  everything = range(len(pool.places)) if whole_pool else None
  questions, sources = [], {}
  for index, row in enumerate(rows):
    question = _question(row, f"{path}, [{index}]", texts, places, everything)
    first = sources.setdefault(question.qas_id, question.source)
    if first != question.source:
      raise ValueError(
        f"{question.source}.id: {question.qas_id!r} is also the id at {first}; give each "
        "question its own"
      )
    questions.append(question)
  if not questions:
    raise ValueError(f"{path}: expected at least one question, found none")
  return pool, questions


def _question(row, source, texts, places, everything):
  if not isinstance(row, dict):
    raise ValueError(f"{source}: expected an object, found {row!r}")
  _check_kinds(row, source, id=str | int, question=str)
  paragraphs = everything
  if paragraphs is None:
    _check_kinds(row, source, paragraphs=list)
    found = (_place(index, places, source) for index in row["paragraphs"])
    paragraphs = list(dict.fromkeys(found))
  if not paragraphs:
    raise ValueError(f"{source}.paragraphs: there are none; expected at least one")
  relevant = row.get("relevant")
  # By its text: a paragraph may stand in the file twice.
  if relevant is not None and _place(relevant, places, source) not in paragraphs:
    raise ValueError(f"{source}.relevant: {relevant} is none of its paragraphs")
  answers = row.get("answers")
  if answers is None or answers == []:
    answers = _present(row, "answer")
  if not isinstance(answers, list):
    raise ValueError(f"{source}.answers: expected a list, found {answers!r}")
  context = "" if relevant is None else texts[relevant]
  return Question(
    str(row["id"]),
    row["question"],
    paragraphs,
    None if relevant is None else places[relevant],
    tuple(_answer(answer, context, source) for answer in answers),
    source,
  )


def _check_kinds(row, source, **kinds):
  for name, kind in kinds.items():
    if not isinstance(row.get(name), kind):
      raise ValueError(f"{source}.{name}: expected one, found {row.get(name)!r}")


def _place(index, places, source):
  """The place in the pool of a paragraph that a row names."""
  if type(index) is not int or not 0 <= index < len(places):
    raise ValueError(
      f"{source}: expected places of paragraphs from 0 to {len(places) - 1}, found "
      f"{index!r}"
    )
  return places[index]


def _present(row, name):
  """[value], or [] where there is none."""
  return [] if row.get(name) is None else [row[name]]


def _answer(answer, context, source):
  text, start = (
    (answer.get("text"), answer.get("start")) if isinstance(answer, dict) else (None, 0)
  )
  if not isinstance(text, str) or type(start) is not int:
    raise ValueError(
      f"{source}: expected an answer with text and start, found {answer!r}"
    )
  if not 0 <= start < len(context):
    raise ValueError(
      f"{source}: an answer starts at {start}, expected a place in the {len(context)} "
      "characters of its relevant paragraph"
    )
  found = context[start : start + len(text)]
  if not text or found != text:
    raise ValueError(
      f"{source}: the answer {text!r} is not at {start} of its relevant paragraph, where "
      f"{found!r} stands; expected its text, characters counted from 0"
    )
  return Answer(text, start)


# --- Choices --------------------------------------------------------------------------


def sample(question: Question, count: int, seed: Sequence[int]) -> list[int]:
  """The right paragraph and wrong ones in any order, all different.

  Args:
    question: its paragraph is known.
    count: of paragraphs, the right one included; fewer where it has fewer.
    seed: of the choice and the order.
  """
  draw = np.random.default_rng(seed)
  others = [place for place in question.paragraphs if place != question.relevant]
  wrong = draw.permutation(len(others))[: count - 1]
  chosen = [question.relevant, *(others[index] for index in wrong)]
  return [chosen[index] for index in draw.permutation(len(chosen))]


def sampled_rows(
  reading: ReadingSet, num_choices: int, seed: int
) -> Iterator[dict[str, Any]]:
  """Rows of multiple choice among sampled paragraphs, one a question."""
  for index, question in enumerate(reading.questions):
    places = sample(question, num_choices, [seed, index])
    row = _row(reading, question, places)
    yield row | {"label": places.index(question.relevant)}


def candidates(reading: ReadingSet, most: int, seed: int) -> list[Sequence[int]]:
  """The paragraphs that each question is asked of.

  Args:
    reading: questions.
    most: of a question; where it has more, the right one and others that are sampled,
      or all where the right one is not known. 0 for all.
    seed: of the samples.
  """
  return [
    sample(question, most, [seed, index])
    if 0 < most < len(question.paragraphs) and question.relevant is not None
    else question.paragraphs
    for index, question in enumerate(reading.questions)
  ]


def parted_rows(
  reading: ReadingSet, candidates: Sequence[Sequence[int]], num_choices: int
) -> Iterator[dict[str, Any]]:
  """Rows of all candidates, `num_choices` a row: the scores do not hang on each other."""
  for question, places in zip(reading.questions, candidates, strict=True):
    for start in range(0, len(places), num_choices):
      yield _row(reading, question, places[start : start + num_choices])


def _row(reading, question, places):
  return {
    "id": question.qas_id,
    "question": question.text,
    "choices": [reading.pool[place] for place in places],
  }


def best(
  candidates: Sequence[Sequence[int]], scores: Sequence[Sequence[float]]
) -> list[int]:
  """The candidate of each question that has the highest score.

  Args:
    candidates: of `candidates`.
    scores: of the rows of `parted_rows`.

  Raises:
    ValueError: another number of scores than of candidates.
  """
  flat = [score for row in scores for score in row]
  if len(flat) != sum(map(len, candidates)):
    raise ValueError(
      f"expected scores of {sum(map(len, candidates))} paragraphs, found {len(flat)}"
    )
  chosen, start = [], 0
  for places in candidates:
    chosen.append(places[int(np.argmax(flat[start : start + len(places)]))])
    start += len(places)
  return chosen


# --- SQuAD's form ---------------------------------------------------------------------


def examples(reading: ReadingSet) -> list[SquadExample]:
  """Questions with right answers, as scores take them."""
  return [
    SquadExample(
      question.qas_id,
      question.text,
      reading.pool[question.relevant],
      question.answers,
      source=question.source,
    )
    for question in reading.questions
  ]


def squad_form(
  reading: ReadingSet,
  chosen: Sequence[int] | None = None,
  most_answers: int | None = None,
) -> dict[str, Any]:
  """Questions in SQuAD's JSON.

  Args:
    reading: questions.
    chosen: the paragraph that each is asked of, without right answers; by default the
      right one.
    most_answers: of a question; training learns one.
  """
  paragraphs = {}
  for index, question in enumerate(reading.questions):
    place = question.relevant if chosen is None else chosen[index]
    context = {"context": reading.pool[place], "qas": []}
    qas = paragraphs.setdefault(place, context)["qas"]
    qas.append({"id": question.qas_id, "question": question.text})
    if chosen is None:
      qas[-1]["answers"] = [
        {"text": text, "answer_start": start}
        for text, start in question.answers[:most_answers]
      ]
  return {
    "version": "1.1",
    "data": [{"title": "", "paragraphs": list(paragraphs.values())}],
  }
