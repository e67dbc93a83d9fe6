"""Text to word pieces and ids, with the spans of the pieces in the text.

Three steps, each a class with the original's name: `BasicTokenizer` cleans a text
and splits it into words, `WordpieceTokenizer` splits a word into pieces,
`FullTokenizer` does both and converts pieces to ids. Imports no TensorFlow, so that
worker processes start quickly.
"""

import functools
import hashlib
import itertools
import json
import operator
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from bert_ja import text_io

Span = tuple[int, int]

_chain = itertools.chain.from_iterable

_REQUIRED_TOKENS = ("[CLS]", "[SEP]", "[UNK]")

_LOWER_CASE_MODELS = {
  "multilingual_L-12_H-768_A-12",
  "chinese_L-12_H-768_A-12",
  "uncased_L-24_H-1024_A-16",
  "wwm_uncased_L-24_H-1024_A-16",
  *(  # The 24 small models; the largest has the name of BERT-Base.
    f"uncased_L-{layers}_H-{size}_A-{size // 64}"
    for layers in (2, 4, 6, 8, 10, 12)
    for size in (128, 256, 512, 768)
  ),
}
_CASED_MODELS = {
  "cased_L-12_H-768_A-12",
  "cased_L-24_H-1024_A-16",
  "multi_cased_L-12_H-768_A-12",
  "wwm_cased_L-24_H-1024_A-16",
}

# Contract A-73: ideographs, without hiragana, katakana and Hangul.
_CJK_RANGES = (
  (0x3400, 0x4DBF),
  (0x4E00, 0x9FFF),
  (0xF900, 0xFAFF),
  (0x20000, 0x2A6DF),
  (0x2A700, 0x2B73F),
  (0x2B740, 0x2B81F),
  (0x2B820, 0x2CEAF),
  (0x2F800, 0x2FA1F),
)


# Characters whose neighbours decide what they become: the lower case of Σ depends on
# the letters around; the others decompose to marks that are kept and change places.
_CONTEXTUAL = re.compile(
  "[Σ\u1715\u1734\u1b44\u1baa\u1bf2\u1bf3\u302e\u302f\ua953\ua9c0\U000111c0\U00011235"
  "\U0001134d\U000116b6\U0001193d\U00011f41\U00016ff0\U00016ff1"
  "\U0001d15e-\U0001d172\U0001d1bb-\U0001d1c0]"
)


def validate_case_matches_checkpoint(
  do_lower_case: bool, init_checkpoint: str | None
) -> None:
  """Checks the casing flag against the directory name of a released checkpoint.

  An empty checkpoint, a file of another name and an unknown directory pass
  (contract A-19, A-20).

  Raises:
    ValueError: the model of that directory was trained with the other casing.
  """
  directory, _, name = (init_checkpoint or "").rpartition("/")
  model = directory.rpartition("/")[2]
  if name != "bert_model.ckpt" or model not in _LOWER_CASE_MODELS | _CASED_MODELS:
    return
  expected = model in _LOWER_CASE_MODELS
  if bool(do_lower_case) != expected:
    raise ValueError(
      f"--do_lower_case={do_lower_case} does not fit --init_checkpoint="
      f"{init_checkpoint}: {model} is a {'lower-case' if expected else 'cased'} "
      f"model; pass --do_lower_case={expected}"
    )


def convert_to_unicode(text: str | bytes) -> str:
  """Text as str; bytes are read as UTF-8 without their invalid bytes (A-70).

  Raises:
    ValueError: neither str nor bytes.
  """
  if isinstance(text, str):
    return text
  if isinstance(text, bytes):
    return text.decode("utf-8", "ignore")
  raise ValueError(
    f"expected text as str or bytes, got {type(text).__name__}; convert it first"
  )


def printable_text(text: str | bytes) -> str:
  """Text in the form that print and logging take: str."""
  return convert_to_unicode(text)


def whitespace_tokenize(text: str) -> list[str]:
  """The parts of a text between white space."""
  return text.split()


def load_vocab(vocab_file: str) -> dict[str, int]:
  """Reads a vocabulary: one token a line, the id is the line number from 0.

  As in the original: a blank line takes an id (of the token ""), a repeated token
  keeps the place of the first and the id of the last line (contract A-69). A
  byte-order mark is no part of the first token.

  Raises:
    FileNotFoundError: no such file.
    ValueError: the file has no token or is not UTF-8.
  """
  if not text_io.exists(vocab_file):
    raise FileNotFoundError(
      f"{vocab_file} does not exist; expected a vocabulary with one token a line "
      "(--vocab_file)"
    )
  tokens = [line.strip() for line in text_io.read_lines(vocab_file)]
  if not any(tokens):
    raise ValueError(
      f"{vocab_file} holds no token; expected a vocabulary with one token a line "
      "(--vocab_file)"
    )
  return {token: index for index, token in enumerate(tokens)}


def check_special_tokens(
  vocab: Collection[str], required: Iterable[str], vocab_file: str
) -> None:
  """Checks that a vocabulary has the tokens that every input needs (contract A-81).

  Raises:
    ValueError: it lacks one; the message names the file.
  """
  required = list(required)
  missing = [token for token in required if token not in vocab]
  if missing:
    raise ValueError(
      f"{vocab_file}: expected {', '.join(required)} among its {len(vocab)} tokens, "
      f"found no {', '.join(missing)}; give the vocabulary of a BERT model, one token "
      "a line and no scores"
    )


def convert_by_vocab(vocab: Mapping, items: Iterable) -> list:
  """Looks up each item (tokens or ids).

  Raises:
    KeyError: the vocabulary lacks an item; the message names it (contract A-79).
  """
  try:
    return list(map(vocab.__getitem__, items))
  except KeyError as error:
    item = error.args[0]
    kind = "token" if isinstance(item, str) else "id"
    raise KeyError(
      f"{kind} {item!r} is not among the {len(vocab)} entries of the vocabulary; "
      "use the vocabulary that made it"
    ) from None


def convert_tokens_to_ids(vocab: Mapping[str, int], tokens: Iterable[str]) -> list[int]:
  """Ids of tokens; see `convert_by_vocab`."""
  return convert_by_vocab(vocab, tokens)


def convert_ids_to_tokens(
  inv_vocab: Mapping[int, str], ids: Iterable[int]
) -> list[str]:
  """Tokens of ids; see `convert_by_vocab`."""
  return convert_by_vocab(inv_vocab, ids)


class Tokenizer:
  """What every tokenizer has: a vocabulary, its special tokens, and ids of pieces.

  Subclasses add `tokenize`, `tokenize_with_offsets`, `settings` and `fingerprint`.

  Attributes:
    vocab: token to id.
    inv_vocab: id to token.
    unk_token: the piece of text that the vocabulary does not cover.
    unk_id: its id; 0 in a vocabulary without it.
    pad_id: id that fills a row: that of [PAD] by name, 0 in a vocabulary without it.
  """

  def __init__(
    self, vocab: dict[str, int], unk_token: str = "[UNK]", pad_token: str = "[PAD]"
  ):
    """Takes a vocabulary that was read."""
    self.vocab = vocab
    self.inv_vocab = {index: token for token, index in vocab.items()}
    self.unk_token = unk_token
    # A blank line is a piece without a name.
    self.unk_id = vocab.get(unk_token, 0) if unk_token else 0
    self.pad_id = vocab.get(pad_token, 0) if pad_token else 0

  def encode(self, text: str | bytes) -> list[int]:
    """Ids of the pieces of a text, where the pieces themselves are not asked for."""
    return self.convert_tokens_to_ids(self.tokenize(text))

  def convert_tokens_to_ids(self, tokens: Iterable[str]) -> list[int]:
    """Ids of tokens; see `convert_by_vocab`."""
    return convert_tokens_to_ids(self.vocab, tokens)

  def convert_ids_to_tokens(self, ids: Iterable[int]) -> list[str]:
    """Tokens of ids; see `convert_by_vocab`."""
    return convert_ids_to_tokens(self.inv_vocab, ids)


def count_pieces(tokenizer: Tokenizer, texts: Iterable[str]) -> dict[str, int]:
  """How a tokenizer splits texts: {"lines", "characters", "pieces", "unknown"}."""
  counts = dict.fromkeys(("lines", "characters", "pieces", "unknown"), 0)
  for text in texts:
    ids = tokenizer.encode(text)
    counts["lines"] += 1
    counts["characters"] += len(text)
    counts["pieces"] += len(ids)
    counts["unknown"] += ids.count(tokenizer.unk_id)
  return counts


class FullTokenizer(Tokenizer):
  """Text to word pieces and ids, the original's way.

  A text is cut into units at places where the words on both sides cannot influence
  each other: white space, ideographs, punctuation. Texts repeat their units, so the
  pieces of a unit are kept in a bounded cache and most of the work is one regular
  expression and one dictionary lookup for each unit.

  Attributes:
    basic_tokenizer: the `BasicTokenizer`.
    wordpiece_tokenizer: the `WordpieceTokenizer`.
  """

  def __init__(
    self,
    vocab_file: str,
    do_lower_case: bool = True,
    strip_accents: bool | None = None,
    tokenize_chinese_chars: bool = True,
  ):
    """Reads the vocabulary.

    Args:
      vocab_file: path; one token a line.
      do_lower_case: lower-case the text; False for cased models.
      strip_accents: remove accents, which turns が into か; None: as do_lower_case,
        which is what the released uncased models expect (contract A-76).
      tokenize_chinese_chars: make each ideograph a word.

    Raises:
      FileNotFoundError: no such file.
      ValueError: the file lacks [CLS], [SEP] or [UNK] (contract A-81).
    """
    vocab = load_vocab(vocab_file)
    check_special_tokens(vocab, _REQUIRED_TOKENS, vocab_file)
    self._build(
      vocab, BasicTokenizer(do_lower_case, strip_accents, tokenize_chinese_chars)
    )

  def _build(self, vocab, basic_tokenizer):
    super().__init__(vocab)
    self.basic_tokenizer = basic_tokenizer
    self.wordpiece_tokenizer = WordpieceTokenizer(vocab)
    self._pieces = Cache(self._split_unit)
    self._ids = Cache(self._encode_unit)
    self._steps = Cache(self._measure_unit)

  def __getstate__(self):
    # What can be made again is not sent to worker processes.
    return self.vocab, self.settings

  def __setstate__(self, state):
    vocab, settings = state
    self._build(vocab, BasicTokenizer(**settings))

  @property
  def settings(self) -> dict[str, bool | None]:
    """The constructor's switches by name, without the vocabulary."""
    return dict(self.basic_tokenizer.settings)

  @property
  def fingerprint(self) -> str:
    """Hex SHA-256 of vocabulary and switches: equal where all results are equal."""
    strip_accents = self.basic_tokenizer.strip_accents
    switches = {**self.settings, "strip_accents": strip_accents}
    content = json.dumps(["FullTokenizer", switches, list(self.vocab.items())])
    return hashlib.sha256(content.encode()).hexdigest()

  def tokenize(self, text: str | bytes) -> list[str]:
    """Word pieces of a text.

    Raises:
      ValueError: text is neither str nor bytes.
    """
    units = self.basic_tokenizer.split_units(convert_to_unicode(text))
    return list(_chain(map(self._pieces.__getitem__, units)))

  def encode(self, text: str | bytes) -> list[int]:
    """Ids of the pieces of a text: in less time than of the pieces of `tokenize`.

    Raises:
      ValueError: text is neither str nor bytes.
    """
    units = self.basic_tokenizer.split_units(convert_to_unicode(text))
    return list(_chain(map(self._ids.__getitem__, units)))

  def tokenize_with_offsets(self, text: str | bytes) -> tuple[list[str], list[Span]]:
    """Word pieces and where they stand.

    Args:
      text: str, or bytes to be decoded as in `convert_to_unicode`.

    Returns:
      (tokens as of `tokenize`, one (start, end) for each token: character offsets
      into the decoded text, ascending, never empty). A character that became several
      pieces is in the spans of all of them; a combining mark that was removed is in
      the span of the character before it.

    Raises:
      ValueError: text is neither str nor bytes.
    """
    units = self.basic_tokenizer.split_units(convert_to_unicode(text))
    tokens = list(_chain(map(self._pieces.__getitem__, units)))
    steps = _chain(map(self._steps.__getitem__, units))
    edges = itertools.accumulate(steps)
    spans = list(zip(edges, edges, strict=True))  # Takes a start, then an end.
    if len(spans) > len(tokens):  # Skipped text takes part with an empty span.
      spans = [span for span in spans if span[0] < span[1]]
    return tokens, spans

  def _split_unit(self, unit):
    words = self.basic_tokenizer.tokenize(unit.lstrip())
    return tuple(_chain(map(self.wordpiece_tokenizer.split_word, words)))

  def _encode_unit(self, unit):
    return tuple(self.convert_tokens_to_ids(self._split_unit(unit)))

  def _measure_unit(self, unit):
    """Steps from edge to edge: to the start of a piece, to its end, to the next start.

    The running sum over the steps of all units gives the spans in the text. Steps
    back occur where two pieces share a character.
    """
    normalized, starts, ends = self.basic_tokenizer.align(unit)
    words = normalized.split()
    if len(words) == 1 and isinstance(starts, range):
      return self._measure_word(words[0], self._pieces[unit], len(unit) - len(words[0]))
    pieces = iter(self._pieces[unit])
    edges, end = [0], 0
    for word in words:
      first = start = normalized.index(word, end)
      word_end = first + len(word)
      while start < word_end:
        piece = next(pieces)
        if piece == self.wordpiece_tokenizer.unk_token:
          end = word_end  # It stands for the whole word.
        else:
          end = start + len(piece) - (2 if start > first else 0)
        edges += starts[start], ends[end - 1]
        start = end
    if edges[-1] < len(unit):
      edges += len(unit), len(unit)
    return tuple(map(operator.sub, edges[1:], edges))

  def _measure_word(self, word, pieces, space):
    """As `_measure_unit`: a word of as many characters as its text, after `space`.

    Most units are such; without this way spans take twice the time.
    """
    if pieces[0] == self.wordpiece_tokenizer.unk_token:
      return space, len(word)
    steps = [step for piece in pieces for step in (0, len(piece) - 2)]
    steps[0], steps[1] = space, len(pieces[0])
    return tuple(steps)


class BasicTokenizer:
  """Cleans a text and splits it into words (contract A-71 to A-77).

  Attributes:
    do_lower_case, tokenize_chinese_chars: as given.
    strip_accents: as given, or do_lower_case where None was given.
    settings: the switches as given.
  """

  def __init__(
    self,
    do_lower_case: bool = True,
    strip_accents: bool | None = None,
    tokenize_chinese_chars: bool = True,
  ):
    """See `FullTokenizer` for the switches."""
    self.settings = {
      "do_lower_case": do_lower_case,
      "strip_accents": strip_accents,
      "tokenize_chinese_chars": tokenize_chinese_chars,
    }
    self.do_lower_case = do_lower_case
    self.strip_accents = do_lower_case if strip_accents is None else strip_accents
    self.tokenize_chinese_chars = tokenize_chinese_chars
    self._table = _Table(self._normalize_in_steps)

  def __reduce__(self):
    return type(self), tuple(self.settings.values())

  def tokenize(self, text: str | bytes) -> list[str]:
    """Words of a text.

    Raises:
      ValueError: text is neither str nor bytes.
    """
    text = convert_to_unicode(text)
    if text.isascii() and text.isalnum():  # A shortcut for most English words.
      return [text.lower() if self.do_lower_case else text]
    return self._normalize(text).split()

  def split_units(self, text: str) -> list[str]:
    """Cuts a text into units that can be tokenized one by one.

    Returns:
      Units that joined give the text without white space at its end. A unit is a run
      of characters, an ideograph or a punctuation mark, after white space or not.
    """
    # What Σ depends on may stand beyond punctuation.
    sigma = self.do_lower_case and "Σ" in text
    pattern = _unit_pattern(self.tokenize_chinese_chars, not sigma)
    return pattern.findall(text.rstrip())

  def align(self, text: str) -> tuple[str, Sequence[int], Sequence[int]]:
    """Words and where their characters come from.

    Returns:
      (the words of `tokenize` with spaces between them; for each character of that
      string the index in `text` where its origin starts; the index where it ends).
    """
    normalized = self._normalize(text)
    results = list(map(self._table.__getitem__, map(ord, text)))
    joined = "".join(results)
    if joined == normalized and len(joined) == len(text) and "" not in results:
      return normalized, range(len(text)), range(1, len(text) + 1)
    if joined.replace("σ", "ς") != normalized.replace("σ", "ς"):
      # Marks have changed places.
      return normalized, [0] * len(normalized), [len(text)] * len(normalized)
    starts, ends = [], []
    for index, (character, result) in enumerate(zip(text, results, strict=True)):
      starts += [index] * len(result)
      ends += [index + 1] * len(result)
      if not result and ends and unicodedata.category(character) == "Mn":
        ends[-1] = index + 1
    return normalized, starts, ends

  def _normalize(self, text):
    """The words of a text with spaces between them."""
    if (self.do_lower_case or self.strip_accents) and _CONTEXTUAL.search(text):
      return self._normalize_in_steps(text)
    return text.translate(self._table)

  def _normalize_in_steps(self, text):
    clean = _clean_and_isolate if self.tokenize_chinese_chars else _clean
    text = "".join(map(clean, text))
    if self.do_lower_case:
      text = text.lower()
    if self.strip_accents:
      text = "".join(map(_strip, unicodedata.normalize("NFD", text)))
    return "".join(map(_split, text))


class WordpieceTokenizer:
  """Splits words into the longest pieces of a vocabulary (contract A-78)."""

  def __init__(
    self,
    vocab: Collection[str],
    unk_token: str = "[UNK]",
    max_input_chars_per_word: int = 200,
  ):
    """Sorts the vocabulary.

    Args:
      vocab: tokens; those that continue a word start with ##.
      unk_token: the piece of a word that the vocabulary does not cover.
      max_input_chars_per_word: a longer word becomes `unk_token`.
    """
    self.vocab = vocab
    self.unk_token = unk_token
    self.max_input_chars_per_word = max_input_chars_per_word
    # At the start of a word ## is no mark: there "##a" can be text.
    self._initial = _by_text((token, token) for token in vocab)
    self._continuing = _by_text((t[2:], t) for t in vocab if t.startswith("##"))

  def tokenize(self, text: str | bytes) -> list[str]:
    """Pieces of words that are separated by white space.

    Raises:
      ValueError: text is neither str nor bytes.
    """
    words = whitespace_tokenize(convert_to_unicode(text))
    return [piece for word in words for piece in self.split_word(word)]

  def split_word(self, word: str) -> list[str]:
    """Pieces of one word, greedy from the left, or [unk_token]."""
    if len(word) > self.max_input_chars_per_word:
      return [self.unk_token]
    pieces, start = [], 0
    known, short = self._initial
    while start < len(word):
      found = short.get(word[start : start + 2]) or short.get(word[start])
      if not found:
        return [self.unk_token]
      piece, length, longer = found
      if longer:
        for more in longer:
          long_piece = known.get(word[start : start + more])
          if long_piece:
            piece, length = long_piece, more
            break
        if not piece:
          return [self.unk_token]
      pieces.append(piece)
      start += length
      known, short = self._continuing
    return pieces


def _by_text(tokens):
  """(text, token) pairs as tables in which one lookup finds most pieces.

  Returns:
    ({text: token}, {first two characters of a text, or its only one: (token of the
    longest text of at most two characters that fits there, or None; its length;
    lengths of the longer texts that start so, descending)}).
  """
  known = {text: token for text, token in tokens if text}
  longer = {}
  for text in known:
    lengths = longer.setdefault(text[:2], set())
    if len(text) > 2:
      lengths.add(len(text))
  short = {}
  for start, lengths in longer.items():
    fitting = start if start in known else start[0]
    short[start] = known.get(fitting), len(fitting), tuple(sorted(lengths)[::-1])
  return known, short


class _Table(dict):
  """A `str.translate` table that asks a function once for each code point."""

  def __init__(self, function: Callable[[str], str]):
    super().__init__()
    self._function = function

  def __missing__(self, code_point):
    result = self[code_point] = self._function(chr(code_point))
    return result


class Cache(dict):
  """function(key) by key; starts anew when full, so that memory stays bounded."""

  _MAX_ENTRIES = 1 << 17  # Some 30 MB of Japanese text.
  _MAX_KEY_LENGTH = 64  # Long keys seldom come again.

  def __init__(self, function):
    super().__init__()
    self._function = function

  def __missing__(self, key):
    value = self._function(key)
    if len(key) <= self._MAX_KEY_LENGTH:
      if len(self) >= self._MAX_ENTRIES:
        self.clear()
      self[key] = value
    return value


def _clean(character):
  """Contract A-72: nothing, a space, or the character."""
  if character in "\t\n\r":
    return " "
  category = unicodedata.category(character)
  if category in ("Cc", "Cf") or character == "\ufffd":
    return ""
  return " " if category == "Zs" else character


def _clean_and_isolate(character):
  return f" {character} " if _is_ideograph(character) else _clean(character)


def _split(character):
  return f" {character} " if _is_punctuation(character) else character


def _strip(character):
  return "" if unicodedata.category(character) == "Mn" else character


def _is_ideograph(character):
  return any(first <= ord(character) <= last for first, last in _CJK_RANGES)


def _is_punctuation(character):
  """Contract A-74: punctuation and all other visible ASCII but letters and digits."""
  if character.isascii():
    return character.isprintable() and not character.isalnum() and character != " "
  return unicodedata.category(character).startswith("P")


@functools.cache
def _unit_pattern(ideographs, punctuation):
  """White space, then a run of characters or a character that is a word.

  Knows the characters of the first plane; the others are rare, make the pattern slow
  and may stay in a run: a run is tokenized like any text.
  """
  plane = "".join(map(chr, range(0x10000)))
  # Not every character of str.isspace: _clean drops some, which joins two words.
  space = "".join(c for c in plane if c.isspace() and _clean(c))
  single = ""
  if punctuation:
    single += "".join(map(re.escape, filter(_is_punctuation, plane)))
  if ideographs:
    single += "".join(f"{chr(a)}-{chr(b)}" for a, b in _CJK_RANGES if b < 0x10000)
  run = f"[^{space}{single}]++"
  return re.compile(
    f"[{space}]*+(?:[{single}]|{run})" if single else f"[{space}]*+{run}"
  )
