"""Trains vocabularies: SentencePiece models and word pieces, from lines of text.

The text is read as a stream. What is held of it: for word pieces the distinct words and
their counts, for SentencePiece what its library holds.
"""

import collections
import io
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from bert_ja import text_io

Item = TypeVar("Item")

# Ids 0 to 4, as in the published Japanese vocabularies.
WORD_PIECE_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Contract B-22; behind <unk>, <s> and </s> they have the ids 3 to 6.
SENTENCE_PIECE_CONTROLS = ("[PAD]", "[CLS]", "[SEP]", "[MASK]")
# The library's default: longer sentences take no part in training.
SENTENCE_PIECE_MAX_BYTES = 4192

_MARK = "##"
_WORDS_A_CALL = 1000


class Sentences:
  """The lines of text files that are not blank, or a random part of them.

  Can be iterated again and again, with the same result; `len` is known from the start.
  """

  def __init__(
    self, paths: Sequence[str], max_sentences: int | None = None, seed: int = 0
  ):
    """Reads all files once, to count and to check them.

    Args:
      paths: UTF-8 files, one sentence a line.
      max_sentences: at most so many are taken, evenly from all files; None for all.
      seed: of that choice.

    Raises:
      FileNotFoundError: no such file.
      ValueError: a file is not UTF-8, or all lines are blank.
    """
    self._paths, self._seed = list(paths), seed
    self._num_lines = sum(1 for _ in self._lines())
    if not self._num_lines:
      raise ValueError(
        f"{', '.join(paths)}: expected text, one sentence a line; all lines are blank"
      )
    self._length = min(self._num_lines, max_sentences or self._num_lines)

  def __len__(self) -> int:
    return self._length

  def __iter__(self) -> Iterator[str]:
    return sample(self._lines(), self._length, self._num_lines, self._seed)

  def _lines(self):
    for path in self._paths:
      yield from _lines_of(path)


def _lines_of(path):
  return filter(None, map(str.strip, text_io.stream_lines(path)))


def sample(items: Iterable[Item], count: int, total: int, seed: int) -> Iterator[Item]:
  """Picks `count` of `total` items, all choices equally likely, in their order."""
  # Each item is taken with the probability that the rest still needs it, so that
  # nothing is held and exactly `count` are taken.
  rng = random.Random(seed)
  for left, item in zip(range(total, 0, -1), items, strict=True):
    if rng.random() * left < count:
      count -= 1
      yield item


class WordPieceTrainer:
  """Trains word pieces with Hugging Face's `tokenizers`."""

  def __init__(
    self, vocab_size: int, limit_alphabet: int = 6000, min_frequency: int = 2
  ):
    """Loads the library.

    Args:
      vocab_size: pieces, with the special tokens.
      limit_alphabet: the most frequent characters that get pieces; a word with
        another one is unknown.
      min_frequency: two pieces are joined if they stand together so often.

    Raises:
      ImportError: the library is not installed.
    """
    try:
      import tokenizers
    except ImportError as error:
      raise ImportError(
        '--kind=wordpiece needs tokenizers: pip install "bert_ja[ja]"'
      ) from error
    self._library = tokenizers
    self._vocab_size, self._limit_alphabet = vocab_size, limit_alphabet
    self._min_frequency = min_frequency

  def train(self, counts: Mapping[str, int]) -> list[str]:
    """Learns pieces; the same counts give the same pieces, in any process.

    Args:
      counts: word to frequency.

    Returns:
      Pieces by id: the special tokens, characters that start words, characters within
      words, then what was joined, the most useful first. Fewer than `vocab_size` where
      nothing is left to join.

    Raises:
      ValueError: `vocab_size` has no place for the special tokens and characters.
    """
    alphabet = _alphabet(counts, self._limit_alphabet)
    words = {
      word: count
      for word, count in counts.items()
      if alphabet.issuperset(word) and word not in WORD_PIECE_SPECIALS
    }
    within = {_MARK + character for word in words for character in word[1:]}
    # The library numbers characters in the order of its hash tables, which differs from
    # run to run, and joins equally frequent pairs by number. As special tokens they are
    # numbered in the order given.
    first = [*WORD_PIECE_SPECIALS, *sorted(alphabet), *sorted(within)]
    if len(first) > self._vocab_size:
      raise ValueError(
        f"--vocab_size={self._vocab_size} is too small: the {len(WORD_PIECE_SPECIALS)} "
        f"special tokens, {len(alphabet)} characters and {len(within)} of them within "
        f"words need {len(first)}; raise it or lower --limit_alphabet"
      )
    model = self._library.models.WordPiece(unk_token="[UNK]")
    tokenizer = self._library.Tokenizer(model)
    trainer = self._library.trainers.WordPieceTrainer(
      vocab_size=self._vocab_size,
      min_frequency=self._min_frequency,
      special_tokens=first,
      continuing_subword_prefix=_MARK,
      show_progress=False,
    )
    tokenizer.train_from_iterator(_repeated(words), trainer)
    ids = tokenizer.get_vocab()
    return sorted(ids, key=ids.get)


def frequent_words(counts: Mapping[str, int], vocab_size: int) -> list[str]:
  """The special tokens and the most frequent words, for words that are never split.

  Raises:
    ValueError: `vocab_size` has no place for the special tokens.
  """
  if vocab_size < len(WORD_PIECE_SPECIALS):
    raise ValueError(
      f"--vocab_size={vocab_size} is too small for the {len(WORD_PIECE_SPECIALS)} "
      "special tokens; raise it"
    )
  words = [word for word in counts if word not in WORD_PIECE_SPECIALS]
  words.sort(key=lambda word: (-counts[word], word))
  return [*WORD_PIECE_SPECIALS, *words][:vocab_size]


def _alphabet(counts, limit):
  """The most frequent characters; of equally frequent ones the first code points."""
  frequencies = collections.Counter()
  for word, count in counts.items():
    for character in word:
      frequencies[character] += count
  # A vocabulary file has no way to write white space.
  known = [character for character in frequencies if not character.isspace()]
  known.sort(key=lambda character: (-frequencies[character], character))
  return set(known[:limit])


def _repeated(counts):
  """Each word as often as it is counted, in lists: the library takes no counts."""
  for word, count in counts.items():
    for done in range(0, count, _WORDS_A_CALL):
      yield [word] * min(_WORDS_A_CALL, count - done)


class SentencePieceTrainer:
  """Trains SentencePiece models, with the options of contract B-22.

  Attributes:
    num_too_long: sentences that took no part in the last training.
  """

  def __init__(
    self,
    vocab_size: int,
    model_type: str = "unigram",
    character_coverage: float = 0.9995,
  ):
    """Loads the library.

    Args:
      vocab_size: pieces, with the control symbols.
      model_type: "unigram" or "bpe".
      character_coverage: share of the text's characters that get pieces.

    Raises:
      ImportError: the library is not installed.
    """
    try:
      import sentencepiece
    except ImportError as error:
      raise ImportError(
        "--kind=sentencepiece needs sentencepiece: pip install sentencepiece"
      ) from error
    self._library = sentencepiece
    self._options = {
      "vocab_size": vocab_size,
      "model_type": model_type,
      "character_coverage": character_coverage,
    }
    self.num_too_long = 0

  def train(self, sentences: Iterable[str]) -> bytes:
    """Learns pieces.

    Returns:
      The content of a `.model` file; it names no path.

    Raises:
      ValueError: `vocab_size` does not suit the text, or there is no text.
    """
    model = io.BytesIO()
    try:
      self._library.SentencePieceTrainer.train(
        sentence_iterator=self._counted(sentences),
        model_writer=model,
        control_symbols=list(SENTENCE_PIECE_CONTROLS),
        minloglevel=2,
        **self._options,
      )
    except RuntimeError as error:
      raise ValueError(self._explained(str(error))) from error
    return model.getvalue()

  def _counted(self, sentences):
    self.num_too_long = 0
    for sentence in sentences:
      self.num_too_long += len(sentence.encode()) > SENTENCE_PIECE_MAX_BYTES
      yield sentence

  def _explained(self, message):
    size = f"--vocab_size={self._options['vocab_size']}"
    if match := re.search(r"Vocabulary size too high .*<= (\d+)", message):
      return f"{size} is too large: the text gives {match[1]} pieces at most; lower it"
    if match := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
      return (
        f"{size} is too small: the special tokens and characters need {match[1]}; raise "
        "it or lower --character_coverage"
      )
    if "!sentences_.empty()" in message:
      return (
        f"no sentence is left to train on: {self.num_too_long} are longer than "
        f"{SENTENCE_PIECE_MAX_BYTES} bytes; put one sentence on a line"
      )
    return f"SentencePiece could not train: {message}"


def sentence_piece_table(model: bytes) -> str:
  """The two-column vocabulary of a model: piece, tab, score, as the library writes it.

  Args:
    model: content of a `.model` file.
  """
  import sentencepiece

  processor = sentencepiece.SentencePieceProcessor(model_proto=model)
  return "".join(
    f"{processor.id_to_piece(index)}\t{processor.get_score(index):g}\n"
    for index in range(len(processor))
  )
