"""Text to the pieces of a SentencePiece model, with their places in the text."""

import bisect
import hashlib
import itertools
import re

from bert_ja import text_io

Span = tuple[int, int]
"""Character offsets of a piece, end exclusive."""

# UTF-8 has none of them; the library takes bytes that are no UTF-8 for U+FFFD.
_SURROGATES = re.compile("[\ud800-\udfff]")


class SentencePiece:
  """A SentencePiece model; takes any text, NUL and lone surrogates too.

  Attributes:
    model_file: the path as given.
    model: the file's content.
    fingerprint: hex SHA-256 of the model.
    unk_id: id of an unknown piece in the model.
  """

  def __init__(self, model_file: str):
    """Reads a model.

    Args:
      model_file: path of a `.model` file, local or gs://.

    Raises:
      ImportError: sentencepiece is not installed.
      FileNotFoundError: no such file.
      ValueError: the file is no model.
    """
    with text_io.open_file(model_file, "rb") as reader:
      self._load(model_file, reader.read())

  def _load(self, model_file, model):
    try:
      import sentencepiece
    except ImportError as error:
      raise ImportError(
        "--tokenizer needs sentencepiece: pip install sentencepiece"
      ) from error
    try:
      if not model:  # The library would take it for no argument.
        raise RuntimeError
      self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    except RuntimeError:
      raise ValueError(
        f"{model_file}: expected a SentencePiece model, found {len(model)} bytes that "
        "are none; copy the file again"
      ) from None
    self.model = model
    self.model_file = model_file
    self.fingerprint = hashlib.sha256(model).hexdigest()
    self.unk_id = self._processor.unk_id()
    # {"<0xE3>": 0xE3}, of a model that spells unknown characters in bytes.
    ids = range(self._processor.get_piece_size())
    names = map(self._processor.id_to_piece, filter(self._processor.is_byte, ids))
    self._bytes = {name: int(name[1:-1], 16) for name in names}

  def __getstate__(self):
    # With the model: a worker process need not reach the file.
    return self.model_file, self.model

  def __setstate__(self, state):
    self._load(*state)

  def __repr__(self):
    return f"SentencePiece({self.model_file!r})"

  def pieces(self, text: str) -> list[str]:
    """Pieces of a text; white space before one is a ▁ at its start."""
    return self._processor.encode_as_pieces(_encodable(text))

  def ids(self, text: str) -> list[int]:
    """Ids of the pieces of a text."""
    return self._processor.encode_as_ids(_encodable(text))

  def pieces_with_spans(self, text: str) -> tuple[list[str], list[Span]]:
    """Pieces and where they stand in the text.

    Returns:
      (pieces, one (start, end) for each: ascending character offsets). A span has the
      characters that its piece was made of, without the white space that became ▁; the
      span of a ▁ alone is empty and stands where the next piece starts. Pieces of one
      character, such as ㍿ or bytes of an unknown one, share its span.
    """
    text = _encodable(text)
    pieces = self._processor.encode_as_pieces(text)
    # Joined, the pieces are the normalized text. The library's own spans of pieces are
    # slower and leave pieces of ㍿ empty.
    normalized, offsets = self._processor.normalize(text, with_offsets=True)
    if self._is_in_place(normalized, offsets):
      edges = list(itertools.accumulate(map(len, pieces), initial=offsets[0] - 1))
      edges[0] = offsets[0]
      return pieces, list(zip(edges, edges[1:], strict=False))
    return pieces, self._spans(pieces, offsets)

  def _is_in_place(self, normalized, offsets):
    """Whether it is a ▁ and then one character for each of the text, as mostly."""
    return (
      normalized.rfind("▁") == 0
      and offsets[1:] == list(range(offsets[0], offsets[-1] + 1))
      and not self._bytes
    )

  def _spans(self, pieces, offsets):
    """Spans of pieces.

    Args:
      pieces: as of `pieces`.
      offsets: where each character of the normalized text starts in the text, and where
        the last one ends.
    """
    spans, position, end = [], 0, 0
    for piece in pieces:
      first, position = position, position + len(piece)
      last = position
      # The test is for speed: most pieces are what they look like.
      if piece[0] in "▁<" or piece[-1] == "▁":
        first, last, position = self._place(piece, first)
      start = offsets[first]
      if first == last:
        end = max(start, end)  # Within ﷺ it has spaces, and all are of one character.
      else:
        end = offsets[last]
        if end == offsets[last - 1]:  # The next piece is of the same character.
          end = offsets[bisect.bisect_right(offsets, end)]
      spans.append((start, end))
    return spans

  def _place(self, piece, position):
    """Where a piece stands in the normalized text, and where the next one starts.

    Returns:
      (first character that is no ▁, end of such, start of the next piece).
    """
    if piece in self._bytes:
      # The first byte takes a place and those that continue its character share it.
      first = position - (self._bytes[piece] & 0xC0 == 0x80)
      return first, first + 1, first + 1
    end = position + len(piece)
    first = end - len(piece.lstrip("▁"))
    return first, max(first, position + len(piece.rstrip("▁"))), end

  def vocabulary(self) -> list[tuple[str, float]]:
    """(piece, score) of all ids in their order."""
    processor = self._processor
    ids = range(processor.get_piece_size())
    return [(processor.id_to_piece(index), processor.get_score(index)) for index in ids]


def _encodable(text):
  return _SURROGATES.sub("\ufffd", text)
