"""Questions and contexts: what they are, and the windows that contexts are cut into.

A context that is longer than a row is cut into overlapping windows. E is the number of
examples, W of their windows, S the length of a row, T the number of context pieces of
all examples.
"""

import dataclasses
import io
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bert_ja import text_io
from bert_ja.data import span_pieces


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
    inexact: examples that train on the pieces around their answer, since no pieces are
      the answer alone, by index.
    answer_pieces: int32 [E, 2]: first and last piece of the answer in the context, -1
      without one; None where the windows are for prediction.
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
  inexact: tuple[int, ...] = ()
  answer_pieces: np.ndarray | None = None

  def max_context(self) -> np.ndarray:
    """Whether a window is the one that sees most around a piece (A-117).

    Returns:
      bool [W, longest window]; False beyond a window's length.
    """
    columns = np.arange(max(self.length, default=0))
    length = self.length[:, None]
    first = self.first_piece[self.example_index] + self.doc_start
    seen = columns < length
    # The last place is for all columns beyond a window.
    best = np.zeros(len(self.piece_ids) + 1)
    owner = np.full(len(self.piece_ids) + 1, -1)
    # The first windows of all examples, then the second ones: earlier windows keep a
    # piece on a tie, and no piece comes twice in a step.
    steps = self._by_rank()
    for rows in steps:
      pieces = np.where(seen[rows], first[rows, None] + columns, -1)
      around = np.minimum(columns, length[rows] - 1 - columns)
      scores = around + 0.01 * length[rows]
      better = seen[rows] & (scores > best[pieces])
      best[pieces[better]] = scores[better]
      owner[pieces[better]] = np.broadcast_to(rows[:, None], pieces.shape)[better]
    for rows in steps:
      pieces = np.where(seen[rows], first[rows, None] + columns, -1)
      seen[rows] &= owner[pieces] == rows[:, None]
    return seen

  def _by_rank(self):
    """Numbers of all first windows of an example, of all second ones, and so on.

    Without those of examples that have only one.
    """
    numbers = np.arange(len(self.example_index))
    change = np.diff(self.example_index, prepend=-1, append=-1) != 0
    ranks = numbers - np.maximum.accumulate(np.where(change[:-1], numbers, 0))
    (shared,) = np.nonzero(~(change[:-1] & change[1:]))
    shared = shared[np.argsort(ranks[shared], kind="stable")]
    return np.split(shared, np.cumsum(np.bincount(ranks[shared]))[:-1])

  def answer_positions(self) -> np.ndarray:
    """Positions of the answer's first and last piece in the row: int32 [W, 2].

    0 where the window does not hold the whole answer, or there is none (A-118). Only
    for windows of training.
    """
    pieces = self.answer_pieces[self.example_index] - self.doc_start[:, None]
    inside = (pieces[:, 0] >= 0) & (pieces[:, 1] < self.length)
    return np.where(inside[:, None], pieces + self.offset[:, None], 0)

  def save(self, path: str) -> None:
    """Writes all to a `.npz` file, whole or not at all."""
    values = {
      field.name: getattr(self, field.name)
      for field in dataclasses.fields(self)
      if getattr(self, field.name) is not None
    }
    buffer = io.BytesIO()  # not every file system lets np.savez go back in a file
    np.savez(buffer, **values)
    text_io.write_bytes(path, buffer.getvalue())

  @classmethod
  def load(cls, path: str) -> "Windows":
    """Reads what `save` wrote.

    Raises:
      FileNotFoundError: no such file.
    """
    with (
      text_io.open_file(path, "rb") as reader,
      np.load(reader, allow_pickle=False) as stored,
    ):
      values = dict(stored)
    for name in ("misaligned", "inexact"):
      values[name] = tuple(values[name].astype(int).tolist())
    for name in ("max_seq_length", "answer_alignment"):
      values[name] = values[name].item()
    return cls(**values)


class Row(NamedTuple):
  """What the windows of one example are made of.

  Attributes:
    ids: int32 [C], of the pieces of the context.
    places: int32 [C, 2].
    question: ids.
    answer: its pieces.
  """

  ids: np.ndarray
  places: np.ndarray
  question: Sequence[int]
  answer: span_pieces.AnswerPieces


NO_ROW = Row(
  np.zeros(0, np.int32), np.zeros((0, 2), np.int32), (), span_pieces.NO_PIECES
)


def check_options(options: WindowOptions) -> None:
  """Checks that contexts can be cut so.

  Raises:
    ValueError: an unknown alignment, or no room for a context.
  """
  if options.answer_alignment not in span_pieces.ALIGNMENTS:
    raise ValueError(
      f"--answer_alignment={options.answer_alignment} is not one of "
      f"{', '.join(span_pieces.ALIGNMENTS)}"
    )
  if options.doc_stride < 1:
    raise ValueError(f"--doc_stride={options.doc_stride}: expected at least 1")
  if options.max_seq_length <= options.max_query_length + 3:
    raise ValueError(
      f"--max_seq_length={options.max_seq_length} leaves no room for a context beside "
      f"--max_query_length={options.max_query_length} and three special tokens; raise "
      "the one or lower the other"
    )


def cut_contexts(
  rows: Sequence[Row], order: Sequence[int], options: WindowOptions, is_training: bool
) -> Windows:
  """Cuts the contexts of examples into windows (A-115).

  Args:
    rows: one of each example, `NO_ROW` where it is left out.
    order: indexes of the examples that have windows, in the order of the records.
    options: how to cut.
    is_training: whether answers count.
  """
  counts = np.array([len(row.ids) for row in rows], int)
  offset = np.array([len(row.question) + 2 for row in rows], int)
  capacity = options.max_seq_length - 1 - offset
  step = np.minimum(capacity, options.doc_stride)
  # New: an empty context has a window, as every question gets an answer.
  number = 1 + np.maximum(0, -((capacity - counts) // step))
  order = np.array(order, int)
  number = number[order]
  example_index = np.repeat(order, number)
  rank = np.arange(len(example_index)) - np.repeat(np.cumsum(number) - number, number)
  doc_start = rank * step[example_index]
  length = np.minimum(capacity[example_index], counts[example_index] - doc_start)
  windows = {
    "example_index": example_index,
    "doc_start": doc_start,
    "length": length,
    "offset": offset[example_index],
  }
  return Windows(
    **{name: values.astype(np.int32) for name, values in windows.items()},
    first_piece=np.cumsum([0, *counts], dtype=np.int64),
    piece_ids=np.concatenate([NO_ROW.ids, *(row.ids for row in rows)]),
    places=np.concatenate([NO_ROW.places, *(row.places for row in rows)]),
    max_seq_length=options.max_seq_length,
    answer_alignment=options.answer_alignment,
    **(_answers(rows, order) if is_training else {}),
  )


def _answers(rows, order):
  """Fields of training windows about answers."""
  answers = [row.answer for row in rows]
  placed = set(order.tolist())
  return {
    "misaligned": tuple(i for i in range(len(rows)) if i not in placed),
    "inexact": tuple(
      i for i, (first, _, exact) in enumerate(answers) if first >= 0 and not exact
    ),
    "answer_pieces": np.array([a[:2] for a in answers], np.int32).reshape(-1, 2),
  }


def model_input(
  windows: Windows,
  questions: Sequence[Sequence[int]],
  specials: Sequence[int],
  pad_id: int,
  block: slice,
) -> dict[str, np.ndarray]:
  """Rows of B windows for the model (A-116).

  Args:
    windows: all windows.
    questions: ids of the question of each example.
    specials: ids of [CLS] and [SEP].
    pad_id: fills the rows.
    block: the B windows.

  Returns:
    {"input_ids", "input_mask", "segment_ids"}: int32, bool and bool [B, S].
  """
  index, offset = windows.example_index[block], windows.offset[block, None]
  end = offset + windows.length[block, None]
  columns = np.arange(windows.max_seq_length, dtype=np.int32)
  first = windows.first_piece[index] + windows.doc_start[block]
  in_context = (columns >= offset) & (columns < end)
  in_question = (columns > 0) & (columns < offset - 1)
  ids = np.full(in_context.shape, pad_id, np.int32)
  ids[:, 0] = specials[0]
  ids[(columns == offset - 1) | (columns == end)] = specials[1]
  asked = [questions[i] for i in index.tolist()]
  ids[in_question] = np.fromiter(itertools.chain.from_iterable(asked), np.int32)
  ids[in_context] = windows.piece_ids[(first[:, None] + columns - offset)[in_context]]
  mask = columns <= end
  return {
    "input_ids": ids,
    "input_mask": mask,
    "segment_ids": mask & (columns >= offset),
  }
