"""Reads questions about contexts: SQuAD 1.1 and 2.0 and files of that form (A-107).

JSQuAD, JaQuAD, CMRC 2018, DRCD and RCQA are published in it, or converted to it.
"""

import dataclasses

from bert_ja import text_io
from bert_ja.data.span_features import Answer, SquadExample

_NAMES = {
  dict: "an object",
  list: "a list",
  str: "a text",
  int: "an integer",
  float: "a number",
  bool: "true or false",
  type(None): "null",
}
_MISSING = object()
# CMRC 2018 gives it to answers that annotators worded freely: they stand nowhere.
_NO_PLACE = -1


def read_squad_examples(
  input_file: str, is_training: bool = False, version_2_with_negative: bool = False
) -> list[SquadExample]:
  """Reads all questions, in the order of the file (contract A-107, A-109, A-111).

  For prediction the answers are read too, since scores need them, and so is
  `is_impossible`; a question may have any number of answers, or none known. Ids that
  are numbers become their text. An answer may start at -1 where its text does not
  stand in the context, as in CMRC 2018. That the context has the answer's text where
  it starts is not checked here.

  Args:
    input_file: a JSON file, or a pattern such as `train/*.json` for several.
    is_training: whether each question needs one answer to learn.
    version_2_with_negative: whether training looks at `is_impossible`: such questions
      then have no answer to learn, whatever the file lists.

  Returns:
    At least one example.

  Raises:
    FileNotFoundError: no such file.
    ValueError: not the form of SQuAD, an answer outside its context, an id that is
      there twice, not exactly one answer to learn, or no question; the message names
      file and element.
  """
  examples, sources = [], {}
  for path in _paths(input_file):
    for example in _read_file(path, is_training, version_2_with_negative):
      first = sources.setdefault(example.qas_id, example.source)
      if first != example.source:
        raise ValueError(
          f"{example.source}.id: {example.qas_id!r} is also the id at {first}; give "
          "each question its own"
        )
      examples.append(example)
  if not examples:
    raise ValueError(f"{input_file}: expected at least one question, found none")
  return examples


def _paths(input_file):
  paths = text_io.named_by(input_file)
  if not paths:
    raise FileNotFoundError(f"{input_file} does not exist")
  return paths


def _read_file(path, is_training, version_2_with_negative):
  document = _checked(text_io.read_json(path), (dict,), path)
  for article, at_article in _objects(document, "data", f"{path}, "):
    for paragraph, at_paragraph in _objects(article, "paragraphs", at_article):
      context = _get(paragraph, "context", (str,), at_paragraph)
      for question, at_question in _objects(paragraph, "qas", at_paragraph):
        example = _example(question, context, at_question)
        if is_training:
          example = _to_learn(example, version_2_with_negative)
        yield example


def _example(question, context, prefix):
  answers = ()
  if "answers" in question:  # a test file may have none
    answers = tuple(
      _answer(answer, context, at_answer)
      for answer, at_answer in _objects(question, "answers", prefix)
    )
  return SquadExample(
    qas_id=str(_get(question, "id", (str, int, float), prefix)),
    question_text=_get(question, "question", (str,), prefix),
    context=context,
    answers=answers,
    is_impossible=bool(_get(question, "is_impossible", (bool, int), prefix, False)),
    source=prefix.removesuffix("."),
  )


def _answer(answer, context, prefix):
  text = _get(answer, "text", (str,), prefix)
  start = _get(answer, "answer_start", (int,), prefix)
  # An empty answer, which some files give to unanswerable questions, fits at the end.
  if not _NO_PLACE <= start < len(context) + (not text):
    raise ValueError(
      f"{prefix}answer_start: expected a place in the context of {len(context)} "
      f"characters, found {start}; count characters from 0 ({_NO_PLACE}: the answer "
      "does not stand in the context)"
    )
  return Answer(text, start)


def _to_learn(example, version_2_with_negative):
  """The example for training; its answers are one, or none if it is impossible."""
  if example.is_impossible and version_2_with_negative:
    return dataclasses.replace(example, answers=())
  if len(example.answers) != 1:
    if example.answers:
      hint = "keep one of them"
    elif example.is_impossible:
      hint = "train on unanswerable questions with --version_2_with_negative"
    else:
      hint = "give it one"
    raise ValueError(
      f"{example.source}.answers: expected exactly one answer to learn, found "
      f"{len(example.answers)}; {hint}"
    )
  # As in the original: without the flag `is_impossible` is not looked at.
  return dataclasses.replace(example, is_impossible=False)


def _objects(parent, key, prefix):
  """Yields the objects of a list, each with the start of the places in it."""
  for number, value in enumerate(_get(parent, key, (list,), prefix)):
    place = f"{prefix}{key}[{number}]"
    yield _checked(value, (dict,), place), f"{place}."


def _get(parent, key, kinds, prefix, default=_MISSING):
  return _checked(parent.get(key, default), kinds, f"{prefix}{key}")


def _checked(value, kinds, place):
  # Not isinstance: true is an integer in Python, and no place in a text.
  if type(value) in kinds:
    return value
  found = "nothing" if value is _MISSING else _NAMES[type(value)]
  raise ValueError(
    f"{place}: expected {_NAMES[kinds[0]]}, found {found}; the file must have the form "
    "of SQuAD: data, paragraphs, context and qas, id and question and answers"
  )
