"""Tokenizers that run inside a TensorFlow graph, so that a SavedModel takes raw text.

Each gives the ids of a Python tokenizer of `tokenization`; what a text of given
characters becomes is asked from Python's own rules when the object is built, since
tensorflow-text's normalizers follow another Unicode version and fold NFKC. `agreement`
compares the two on given texts.

Texts are UTF-8 bytes; invalid bytes are dropped, as `tokenization.convert_to_unicode`
does. A program that loads such a SavedModel imports tensorflow_text first, which
registers its operations.
"""

import itertools
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_ja import japanese_tokenization, tokenization

_TEXTS = tf.TensorSpec([None], tf.string, name="texts")

# A surrogate, which valid UTF-8 does not hold: here the end of a text.
_END = 0xD800
_ITSELF, _NOTHING = -2, -1  # In the place of a code point in a row of `_CharacterMap`.
_BREAK, _CASED, _TRANSPARENT = range(3)  # What a character is to a Σ beside it.
_UTF8_BYTES = 4  # At most for one character.


class GraphTokenizer(tf.Module):
  """Base of the tokenizers in here: strings to ids, and to a model's input.

  Usable in a `tf.function` and exported by `tf.saved_model.save`.

  B texts, S tokens of packed input.

  Attributes:
    unk_id: id of what the vocabulary does not cover.
    pad_id: id that fills a row.
  """

  def __init__(self, vocab: Mapping[str, int], unk_id: int, pad_id: int):
    super().__init__()
    self._cls_id, self._sep_id = (vocab.get(x, unk_id) for x in ("[CLS]", "[SEP]"))
    self.unk_id = unk_id
    self.pad_id = pad_id

  @tf.function(input_signature=[_TEXTS], autograph=False)
  def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
    """Ids of the pieces of each text, without special tokens.

    Args:
      texts: string [B], UTF-8.

    Returns:
      int32 [B, (tokens)].
    """
    # Strings are on the CPU; tables on another device would be copied with each call.
    with tf.device("CPU:0"):
      return self._ids(texts)

  def pack(
    self, texts: tf.Tensor, max_seq_length: int, texts_b: tf.Tensor | None = None
  ) -> dict[str, tf.Tensor]:
    """`[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`, cut and padded.

    The same as `data.pair_features.convert_single_example` gives.

    Args:
      texts: string [B].
      max_seq_length: S.
      texts_b: string [B], the second texts; one without tokens counts as none.

    Returns:
      input_ids, input_mask and segment_ids, int32 [B, S] each.

    Raises:
      ValueError: S leaves no room for a token.
    """
    if max_seq_length < 3:
      raise ValueError(
        f"max_seq_length={max_seq_length} leaves no room for a token between [CLS] and "
        "[SEP]; the least is 3"
      )
    ids_a = self(texts)
    ids_b = ids_a[:, :0] if texts_b is None else self(texts_b)
    with tf.device("CPU:0"):
      return self._pack(ids_a, ids_b, max_seq_length)

  def _pack(self, ids_a, ids_b, max_seq_length):
    length_a, length_b = (tf.cast(x.row_lengths(), tf.int32) for x in (ids_a, ids_b))
    room = max_seq_length - 2 - tf.cast(length_b > 0, tf.int32)  # [B]
    # As `pair_features.truncate_pair`.
    half_b = room // 2
    length_a, length_b = (
      tf.minimum(length_a, tf.maximum(room - half_b, room - length_b)),
      tf.minimum(length_b, tf.maximum(half_b, room - length_a)),
    )
    has_b = tf.cast(length_b > 0, tf.int32)

    def first(ids, lengths):
      ids = ids.to_tensor(shape=[None, max_seq_length])
      return tf.RaggedTensor.from_tensor(ids, lengths=lengths)

    cls, sep = (
      tf.fill([tf.size(has_b), 1], index) for index in (self._cls_id, self._sep_id)
    )
    parts = [cls, first(ids_a, length_a), sep, first(ids_b, length_b)]
    parts += [tf.RaggedTensor.from_tensor(sep, lengths=has_b)]
    input_ids = tf.concat(parts, axis=1).to_tensor(
      self.pad_id, shape=[None, max_seq_length]
    )
    position = tf.range(max_seq_length)[tf.newaxis]
    start_b = (length_a + 2)[:, tf.newaxis]
    end = start_b + (length_b + has_b)[:, tf.newaxis]
    return {
      "input_ids": input_ids,
      "input_mask": tf.cast(position < end, tf.int32),
      "segment_ids": tf.cast((position >= start_b) & (position < end), tf.int32),
    }

  def _ids(self, texts):
    raise NotImplementedError


class WordpieceGraphTokenizer(GraphTokenizer):
  """Word pieces of texts whose words are separated by spaces (U+0020).

  Equals `tokenization.WordpieceTokenizer.split_word` on each word, with one exception:
  words that start with ## differ if the vocabulary has a token of more than three
  characters that starts with ###.
  """

  def __init__(
    self,
    vocab: Mapping[str, int],
    unk_token: str = "[UNK]",
    pad_id: int = 0,
    max_input_chars_per_word: int = 200,
    do_lower_case: bool = False,
  ):
    """Compiles the vocabulary.

    Args:
      vocab: token to id; holds `unk_token`.
      unk_token: the piece of a word that the vocabulary does not cover.
      pad_id: id that fills a row.
      max_input_chars_per_word: a longer word becomes `unk_token`.
      do_lower_case: lower-case each word first.

    Raises:
      ImportError: tensorflow-text is not installed.
      ValueError: the vocabulary lacks `unk_token`.
    """
    text = _import_tensorflow_text()
    if unk_token not in vocab:
      raise ValueError(
        f"expected the unknown token {unk_token!r} among the {len(vocab)} entries of "
        "the vocabulary; give it, or name another unk_token"
      )
    super().__init__(vocab, vocab[unk_token], pad_id)
    self._unk_token = unk_token
    self._max_characters = max_input_chars_per_word
    self._lower_case = _CharacterMap(str.lower) if do_lower_case else None
    self._splitter = text.FastWordpieceTokenizer(
      list(vocab),
      unknown_token=unk_token,
      no_pretokenization=True,
      # Its limit counts bytes; `_ids` applies the one that counts characters.
      max_bytes_per_word=_UTF8_BYTES * max_input_chars_per_word,
      token_out_type=tf.int32,
    )
    # Its ids are places in the list.
    self._ids_by_place = tf.constant(list(vocab.values()), tf.int32)

  def words(self, texts: tf.Tensor) -> tf.RaggedTensor:
    """Words of texts as they are before they become pieces.

    Args:
      texts: string [B].

    Returns:
      string [B, (words)]; empty ones have no pieces.
    """
    words = tf.strings.split(_valid_utf8(texts), " ")
    return (
      words
      if self._lower_case is None
      else words.with_flat_values(self._lower_case(words.flat_values))
    )

  def _ids(self, texts):
    words = self.words(texts)
    flat = words.flat_values
    too_long = tf.strings.length(flat, unit="UTF8_CHAR") > self._max_characters
    # As a word, the unknown token is its own piece.
    flat = tf.where(too_long, self._unk_token, flat)
    places = self._splitter.tokenize(words.with_flat_values(flat)).merge_dims(1, 2)
    return places.with_flat_values(tf.gather(self._ids_by_place, places.flat_values))


class FullGraphTokenizer(WordpieceGraphTokenizer):
  """`tokenization.FullTokenizer` in the graph: raw text to word pieces.

  One exception: NFD, a part of strip_accents, sorts combining marks in a row. Of the
  marks that are not removed (Hangul tone marks, some of Indian scripts, musical signs)
  two in a row stay in the order of the text here.
  """

  def __init__(
    self,
    vocab: Mapping[str, int],
    do_lower_case: bool = True,
    strip_accents: bool | None = None,
    tokenize_chinese_chars: bool = True,
    pad_id: int = 0,
  ):
    """Builds the tables, which takes a second; see `tokenization.FullTokenizer`.

    Args:
      vocab: token to id.
      do_lower_case: as there.
      strip_accents: as there.
      tokenize_chinese_chars: as there.
      pad_id: id that fills a row.

    Raises:
      ImportError, ValueError: see `WordpieceGraphTokenizer`.
    """
    super().__init__(vocab, pad_id=pad_id)
    basic = tokenization.BasicTokenizer(
      do_lower_case, strip_accents, tokenize_chinese_chars
    )

    def normalize(text):
      normalized = basic.align(text)[0]
      # BasicTokenizer also splits at white space that it did not make U+0020.
      return "".join(" " if c.isspace() else c for c in normalized)

    self._normalize = _CharacterMap(normalize)

  def words(self, texts: tf.Tensor) -> tf.RaggedTensor:
    """See the base; the words of `tokenization.BasicTokenizer.tokenize`."""
    return tf.strings.split(self._normalize(texts))


class SentencePieceGraphTokenizer(GraphTokenizer):
  """SentencePiece in the graph, with the ids of a vocabulary and not of the model.

  One exception: where two ways to split a text have the same score (P PP and PP P, 9 99
  and 99 9), rounding decides, and the SentencePiece inside tensorflow-text may take
  another one than Python's.
  """

  def __init__(
    self,
    vocab: Mapping[str, int],
    model: bytes,
    do_lower_case: bool = True,
    unk_id: int = 0,
    pad_id: int = 0,
    ids_of_model: Sequence[int] | None = None,
  ):
    """Loads the model.

    Args:
      vocab: piece to id.
      model: content of a SentencePiece model file.
      do_lower_case: lower-case the text first.
      unk_id: id of a piece that the vocabulary lacks.
      pad_id: id that fills a row.
      ids_of_model: the vocabulary's id for each of the model's; pieces are looked up by
        their text without it.

    Raises:
      ImportError: tensorflow-text is not installed.
    """
    text = _import_tensorflow_text()
    super().__init__(vocab, unk_id, pad_id)
    self._lower_case = _CharacterMap(str.lower) if do_lower_case else None
    self._ids_of_model = None
    if ids_of_model is not None:
      self._ids_of_model = tf.constant(ids_of_model, tf.int32)
    out_type = tf.string if ids_of_model is None else tf.int32
    self._splitter = text.SentencepieceTokenizer(model, out_type=out_type)
    self._table = tf.lookup.StaticHashTable(
      tf.lookup.KeyValueTensorInitializer(
        tf.constant(list(vocab)), tf.constant(list(vocab.values()), tf.int32)
      ),
      default_value=unk_id,
    )

  def _ids(self, texts):
    texts = _valid_utf8(texts) if self._lower_case is None else self._lower_case(texts)
    pieces = self._splitter.tokenize(texts)
    if self._ids_of_model is None:
      return self._table.lookup(pieces)
    return tf.ragged.map_flat_values(
      lambda ids: tf.gather(self._ids_of_model, ids), pieces
    )


class _CharacterMap(tf.Module):
  """A function of texts that maps each character by itself, as a table.

  Only Σ, whose lower case depends on the letters around, is no matter of one
  character: ς at the end of a word, else σ.

  N characters of all texts, W characters that one becomes at most.
  """

  def __init__(self, function: Callable[[str], str]):
    """Asks the function for each character.

    Args:
      function: text to text.
    """
    super().__init__()
    self._has_final_sigma = function("aΣ") == "aς"
    # Each character has the number of a row: what it is to a Σ, what it becomes.
    numbers = np.zeros(0x110000, np.int16)
    rows = {(_BREAK, _ITSELF): 0, (_BREAK,): 1}
    numbers[_END] = 1
    for code in _characters():
      character = chr(code)
      result = function(character)
      codes = [_ITSELF if c == character else ord(c) for c in result]
      kind = _beside_sigma(character, result) if self._has_final_sigma else _BREAK
      numbers[code] = rows.setdefault((kind, *codes), len(rows))
    width = max(map(len, rows))
    padded = [(*row, *[_NOTHING] * (width - len(row))) for row in rows]
    with tf.device("CPU:0"):
      self._numbers = tf.constant(numbers)
      self._rows = tf.constant(padded, tf.int32)

  def __call__(self, texts):
    """Maps texts: string [B] to string [B], valid UTF-8."""
    codes = tf.strings.unicode_decode(texts, "UTF-8", errors="ignore")
    end = tf.fill([tf.size(texts), 1], _END)
    codes = tf.concat([codes, end], axis=1)  # [B, (characters)]
    flat = codes.flat_values  # [N]
    rows = tf.gather(self._rows, tf.cast(tf.gather(self._numbers, flat), tf.int32))
    kinds, results = rows[:, 0], rows[:, 1:]  # [N], [N, W]
    results = tf.where(results == _ITSELF, flat[:, tf.newaxis], results)
    if self._has_final_sigma:
      is_sigma = flat == ord("Σ")
      results = tf.cond(
        tf.reduce_any(is_sigma),
        lambda: _with_final_sigmas(results, is_sigma, kinds),
        lambda: results,
      )
    kept = results != _NOTHING
    lengths = codes.with_flat_values(tf.math.count_nonzero(kept, axis=1))
    mapped = tf.RaggedTensor.from_row_lengths(
      tf.boolean_mask(results, kept), tf.reduce_sum(lengths, axis=1), validate=False
    )
    return tf.strings.unicode_encode(mapped, "UTF-8")


def _characters():
  """Code points that a function may change: neither unassigned nor for private use.

  Of the first planes all, since ideographs have ranges that are not full.
  """
  for code in itertools.chain(range(0xD800), range(0xE000, 0x110000)):
    if code < 0x30000 or unicodedata.category(chr(code)) not in ("Cn", "Co"):
      yield code


def _beside_sigma(character, result):
  """Whether it counts as a letter, is looked through or ends the word."""
  if not result:  # It is dropped first.
    return _TRANSPARENT
  if f"{character}Σ".lower()[-1] == "ς":
    return _CASED
  return _TRANSPARENT if f"a{character}Σ".lower()[-1] == "ς" else _BREAK


def _with_final_sigmas(results, is_sigma, kinds):
  """Puts ς where a letter stands before a Σ and none after it.

  Args:
    results: int32 [N, W], code points that each character becomes.
    is_sigma: bool [N].
    kinds: int32 [N].

  Returns:
    int32 [N, W].
  """
  is_solid = kinds != _TRANSPARENT
  is_letter = tf.boolean_mask(kinds == _CASED, is_solid)
  is_letter = tf.pad(is_letter, [[1, 1]])  # At i + 1: whether the i-th solid one is.
  place = tf.cumsum(tf.cast(is_solid, tf.int32))  # Of a solid one in the line above.
  where = tf.where(is_sigma, place, 1)
  is_final = tf.gather(is_letter, where - 1) & ~tf.gather(is_letter, where + 1)
  is_final = (is_sigma & is_final)[:, tf.newaxis]
  return tf.where(is_final & (results == ord("σ")), ord("ς"), results)


def create(tokenizer: tokenization.Tokenizer) -> GraphTokenizer:
  """The graph tokenizer with the results of a Python tokenizer.

  Args:
    tokenizer: a `FullTokenizer`, a `SentencePieceTokenizer`, or a `SegmentedTokenizer` with word pieces. The graph of the last takes the words
      of the segmenter with spaces between them: analysers do not run in a graph.

  Raises:
    ImportError: tensorflow-text is not installed.
    ValueError: there is none for a tokenizer of this type.
  """
  if isinstance(tokenizer, tokenization.FullTokenizer):
    return FullGraphTokenizer(
      tokenizer.vocab, **tokenizer.settings, pad_id=tokenizer.pad_id
    )
  if isinstance(tokenizer, japanese_tokenization.SentencePieceTokenizer):
    return SentencePieceGraphTokenizer(
      tokenizer.vocab,
      tokenizer.sentence_piece.model,
      tokenizer.do_lower_case,
      tokenizer.unk_id,
      tokenizer.pad_id,
      tokenizer.ids_of_model,
    )
  pieces = getattr(tokenizer, "pieces", None)
  if isinstance(pieces, tokenization.WordpieceTokenizer):
    return WordpieceGraphTokenizer(
      tokenizer.vocab,
      pieces.unk_token,
      tokenizer.pad_id,
      pieces.max_input_chars_per_word,
      tokenizer.do_lower_case,
    )
  kind = type(tokenizer if pieces is None else pieces).__name__
  raise ValueError(
    f"expected a tokenizer with SentencePiece or word pieces, got {kind}, which has no "
    "equal in a TensorFlow graph; tokenize outside of the graph"
  )


def agreement(
  graph_tokenizer: GraphTokenizer,
  tokenizer: Any,
  texts: Iterable[str | bytes],
  prepare: Callable[[str | bytes], str | bytes] | None = None,
  batch_size: int = 256,
) -> list[tuple[str | bytes, list[int], list[int]]]:
  """Compares a graph tokenizer with a Python tokenizer.

  Args:
    graph_tokenizer: the one to check.
    tokenizer: the measure.
    texts: what to compare on.
    prepare: text to what the graph tokenizer takes, where that is another: for one
      that takes words, segmentation.
    batch_size: texts at once.

  Returns:
    (text, ids of `tokenizer`, ids in the graph) of each text where they differ.
  """
  texts, differing = iter(texts), []
  while batch := list(itertools.islice(texts, batch_size)):
    given = map(prepare, batch) if prepare else batch
    # Unpaired surrogates cannot be written in UTF-8.
    given = [x if isinstance(x, bytes) else x.encode("utf-8", "ignore") for x in given]
    in_graph = graph_tokenizer(tf.constant(given)).to_list()
    for text, ids in zip(batch, in_graph, strict=True):
      expected = tokenizer.encode(text)
      if ids != expected:
        differing.append((text, expected, ids))
  return differing


def _valid_utf8(texts):
  return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="ignore")


def _import_tensorflow_text():
  try:
    import tensorflow_text
  except ImportError as error:
    raise ImportError(
      'tokenizing in a TensorFlow graph needs tensorflow-text: pip install "bert_ja[text]"'
    ) from error
  return tensorflow_text
