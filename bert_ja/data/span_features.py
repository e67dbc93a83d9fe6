"""Questions about contexts to windows: ids, segments and places of answers (A-108..121).

A context that is longer than a row is cut into overlapping windows. E is the number of
examples, W of their windows, S the length of a row, T the number of context pieces of
all examples.
"""

import dataclasses
from typing import NamedTuple

import numpy as np


class Answer(NamedTuple):
  """A right answer: its text, and the character of the context where it starts."""

  text: str
  start: int


@dataclasses.dataclass(frozen=True)
class SquadExample:
  """One question about one context.

  Attributes:
    qas_id: the question's id.
    question_text: the question.
    context: the text that may hold the answer.
    answers: the right answers; empty where there is none or it is not known.
    is_impossible: whether the context is known not to answer the question.
    source: file and element it came from, for messages.
  """

  qas_id: str
  question_text: str
  context: str
  answers: tuple[Answer, ...] = ()
  is_impossible: bool = False
  source: str = ""


@dataclasses.dataclass(frozen=True)
class WindowOptions:
  """How contexts are cut.

  Attributes:
    max_seq_length: S.
    doc_stride: pieces from the start of a window to the next.
    max_query_length: most pieces of a question.
    answer_alignment: "words", as the original, or "characters".
  """

  max_seq_length: int = 384
  doc_stride: int = 128
  max_query_length: int = 64
  answer_alignment: str = "words"


@dataclasses.dataclass(frozen=True)
class Windows:
  """The windows of all examples, in the order of the records.

  Window w holds `length[w]` pieces of the context of example `example_index[w]`, from
  its piece `doc_start[w]` on, at positions `offset[w]` and on of the row.

  Attributes:
    example_index: int32 [W].
    doc_start: int32 [W].
    length: int32 [W].
    offset: int32 [W]: pieces of the question + 2.
    first_piece: int64 [E + 1]; the context of example e has the pieces from
      `first_piece[e]` to before `first_piece[e + 1]` of the following two.
    piece_ids: int32 [T].
    places: int32 [T, 2]: first character and the one after the last in the context
      ("characters"), or twice the number of the word ("words").
    max_seq_length: S.
    answer_alignment: of the `WindowOptions`.
    misaligned: examples whose answer could not be placed, by index; training leaves
      them out.
  """

  example_index: np.ndarray
  doc_start: np.ndarray
  length: np.ndarray
  offset: np.ndarray
  first_piece: np.ndarray
  piece_ids: np.ndarray
  places: np.ndarray
  max_seq_length: int
  answer_alignment: str
  misaligned: tuple[int, ...] = ()
