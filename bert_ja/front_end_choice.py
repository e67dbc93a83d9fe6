"""Which front end a model needs, told by what lies in its directory."""

import dataclasses
import os
from collections.abc import Iterable
from typing import Any

from bert_ja import (
  front_ends,
  japanese_tokenization,
  model_files,
  text_io,
  tokenization,
)


@dataclasses.dataclass(frozen=True)
class Choice:
  """A front end, its settings, and what speaks for it."""

  name: str
  reason: str
  settings: dict[str, Any] = dataclasses.field(default_factory=dict)


def choose(files: model_files.ModelFiles) -> Choice:
  """Tells a model's front end by its files, the surest sign first.

  Raises:
    ValueError: there is no vocabulary, or the settings name a tokenizer that is not
      known.
  """
  require_vocabulary(files)
  settings = files.tokenizer_settings
  stated = settings.get("tokenizer")
  if stated:
    if stated not in front_ends.FRONT_ENDS:
      raise ValueError(
        f"{model_files.TOKENIZER_NAME} of {files.directory or files.vocab_file} names "
        f"the tokenizer {stated!r}; expected one of {', '.join(front_ends.FRONT_ENDS)}: "
        "mend it or give --tokenizer"
      )
    return Choice(stated, f"{model_files.TOKENIZER_NAME} names it", settings)
  tokenizer_class = str(settings.get("tokenizer_class") or _configured_class(files))
  if tokenizer_class.startswith("BertJapanese") or "word_tokenizer_type" in settings:
    reason = (
      f"tokenizer_class is {tokenizer_class or 'missing, word_tokenizer_type is not'}"
    )
    return Choice("tohoku", reason, settings)
  if files.model_file:
    return _choose_sentence_piece(files)
  return _choose_by_name(files) or _choose_by_vocabulary(files)


def require_vocabulary(files: model_files.ModelFiles) -> None:
  """Checks that there is a vocabulary.

  Raises:
    ValueError: there is none.
  """
  if not files.vocab_file:
    raise ValueError(
      f"{files.directory or 'the model'} has no vocabulary; give --vocab_file"
    )


def _configured_class(files):
  """The class that older directories name beside the model's sizes."""
  if not (files.config_file and text_io.exists(files.config_file)):
    return ""
  config = text_io.read_json(files.config_file)
  return config.get("tokenizer_class") or "" if isinstance(config, dict) else ""


def _choose_sentence_piece(files):
  model = os.path.basename(files.model_file)
  vocab = japanese_tokenization.load_piece_vocab(files.vocab_file)
  settings = files.tokenizer_settings
  if "<pad>" in vocab:
    return Choice("hottosns", f"{model}, and <pad> in the vocabulary", settings)
  return Choice("bert-japanese", f"{model}, and no <pad> in the vocabulary", settings)


# Part of a published archive's or repository's name, in small letters -> front end. NICT
# has two, which their pieces tell apart.
_PUBLISHED_NAMES = (
  ("nict", "nict"),
  ("kyoto", "kyoto"),
  ("japanese_l-", "kyoto"),
  ("bert-base-japanese", "tohoku"),
  ("bert-large-japanese", "tohoku"),
  ("tohoku", "tohoku"),
  ("_mecab-", "tohoku"),
  ("multi_cased", "multilingual-cased"),
  ("multilingual-cased", "multilingual-cased"),
)


def _choose_by_name(files):
  directory = (
    os.path.basename(os.path.abspath(files.directory)) if files.directory else ""
  )
  for part, name in _PUBLISHED_NAMES:
    if part in directory.lower():
      if name == "nict":
        name = _nict(tokenization.load_vocab(files.vocab_file))
      return Choice(
        name, f"the directory is called {directory}", files.tokenizer_settings
      )
  return None


def _nict(vocab):
  return "nict-bpe" if any(token.startswith("##") for token in vocab) else "nict-100k"


# Published sizes that tell Kyoto's vocabulary from NICT's, both full-width.
_KYOTO_SIZE = 32_006


def _choose_by_vocabulary(files):
  settings = files.tokenizer_settings
  vocab = tokenization.load_vocab(files.vocab_file)
  texts = [t for t in vocab if not (t.startswith("[") and t.endswith("]"))]
  characters = set("".join(texts))
  full_width = any("\uff21" <= c <= "\uff5a" for c in characters)
  ascii_letters = any(c.isascii() and c.isalnum() for c in characters)
  if full_width and not ascii_letters:
    if len(vocab) == _KYOTO_SIZE:
      return Choice("kyoto", f"a full-width vocabulary of {len(vocab)}", settings)
    name = _nict(vocab)
    kind = "with" if name == "nict-bpe" else "without"
    reason = f"a full-width vocabulary {kind} parts of words (Kyoto's needs its name)"
    return Choice(name, reason, settings)
  if "do_lower_case" in settings:
    name = "google" if settings["do_lower_case"] else "multilingual-cased"
    return Choice(name, f"do_lower_case is {settings['do_lower_case']}", settings)
  # Without a model's directory the flags say all, as in the original.
  if files.directory and _is_cased(vocab):
    return Choice("multilingual-cased", "the vocabulary has capitals", settings)
  return Choice("google", "nothing speaks against it", settings)


def _is_cased(vocab: Iterable[str]) -> bool:
  """Whether pieces have capitals, names such as [UNK] and <S> aside."""
  return any(piece != piece.lower() and piece[0] not in "[<" for piece in vocab)
