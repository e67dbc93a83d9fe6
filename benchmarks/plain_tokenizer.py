"""The tokenizer's rules (contract A-71 to A-78) one character at a time.

The measure of the tests and of the speed benchmark: nothing in here is clever.
"""

import unicodedata

IDEOGRAPHS = (
  (0x4E00, 0x9FFF),
  (0x3400, 0x4DBF),
  (0x20000, 0x2A6DF),
  (0x2A700, 0x2B73F),
  (0x2B740, 0x2B81F),
  (0x2B820, 0x2CEAF),
  (0xF900, 0xFAFF),
  (0x2F800, 0x2FA1F),
)


def clean(text):
  """Drops control characters; every space becomes U+0020 (A-72)."""
  kept = []
  for character in text:
    category = unicodedata.category(character)
    if character in "\t\n\r" or category == "Zs":
      kept.append(" ")
    elif character not in "\0\ufffd" and category not in ("Cc", "Cf"):
      kept.append(character)
  return "".join(kept)


def is_ideograph(character):
  """Contract A-73."""
  return any(first <= ord(character) <= last for first, last in IDEOGRAPHS)


def isolate_ideographs(text):
  """A space on each side of an ideograph."""
  return "".join(f" {c} " if is_ideograph(c) else c for c in text)


def strip_accents(word):
  """Decomposes and removes non-spacing marks (A-75)."""
  decomposed = unicodedata.normalize("NFD", word)
  return "".join(c for c in decomposed if unicodedata.category(c) != "Mn")


def is_punctuation(character):
  """Contract A-74."""
  code = ord(character)
  if 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126:
    return True
  return unicodedata.category(character).startswith("P")


def split_at_punctuation(word):
  """Runs of other characters, and each punctuation mark by itself."""
  parts, run = [], []
  for character in word:
    if is_punctuation(character):
      parts += ["".join(run), character]
      run = []
    else:
      run.append(character)
  return [part for part in [*parts, "".join(run)] if part]


def words_of(text, do_lower_case=True, accents=None, ideographs=True):
  """Words; `accents` is the switch strip_accents, None as do_lower_case (A-71)."""
  text = clean(text)
  if ideographs:
    text = isolate_ideographs(text)
  words = []
  for word in text.split():
    if do_lower_case:
      word = word.lower()
    if do_lower_case if accents is None else accents:
      word = strip_accents(word)
    words += split_at_punctuation(word)
  return " ".join(words).split()


def pieces_of(word, vocab):
  """Greedy longest match first; [UNK] where there is no full cover (A-78)."""
  if len(word) > 200:
    return ["[UNK]"]
  pieces, start = [], 0
  while start < len(word):
    for end in range(len(word), start, -1):
      piece = ("##" if start else "") + word[start:end]
      if piece in vocab:
        break
    else:
      return ["[UNK]"]
    pieces.append(piece)
    start = end
  return pieces


def tokenize(text, vocab, **switches):
  """Word pieces of a text."""
  return [
    piece for word in words_of(text, **switches) for piece in pieces_of(word, vocab)
  ]
