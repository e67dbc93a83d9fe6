"""The published ways from text to ids, by name.

To add one, add a line to `FRONT_ENDS`, and to `front_end_choice` what tells its models
from others.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from absl import logging

from bert_ja import japanese_tokenization, model_files, tokenization
from bert_ja.ja import normalization, segmenters, sentence_piece

# Switches of a tokenizer, by their names in flags and in tokenizer_config.json.
GOOGLE_SWITCHES = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")
_PIECES = {
  "wordpiece": tokenization.WordpieceTokenizer,
  "character": japanese_tokenization.CharacterTokenizer,
  "whole": japanese_tokenization.WholeWordTokenizer,
}
_NORMALIZERS = {
  "": normalization.Chain,  # of no steps
  "nfkc": normalization.Nfkc,
  # Full-width text has full-width spaces, which analysers take for words.
  "full-width": lambda: normalization.Chain(
    (normalization.FullWidth(), normalization.Replace("\u3000", " "))
  ),
}
# Hugging Face's word pieces, with which Tohoku's models are published, stop at half the
# original's length.
_TOHOKU_WORD_LENGTH = 100


@dataclasses.dataclass(frozen=True)
class FrontEnd:
  """One way from text to ids.

  Attributes:
    description: for people.
    pieces: "google" (cleaning, words and pieces of the original), "wordpiece",
      "character", "whole" (words only) or "sentencepiece".
    normalizer: "", "nfkc" or "full-width".
    segmenter: a MeCab dictionary, "jumanpp", or "" for spaces.
    do_lower_case: unless flags or settings say otherwise.
    unk_token: name of the unknown piece; "" means id 0.
    pad_token: name of the padding piece; "" means id 0.
    config: of models that were published without one.
  """

  description: str
  pieces: str
  normalizer: str = ""
  segmenter: str = ""
  do_lower_case: bool = False
  unk_token: str = "[UNK]"
  pad_token: str = "[PAD]"
  config: Mapping[str, Any] | None = None

  @property
  def special_tokens(self) -> tuple[str, ...]:
    """What the vocabulary has to hold."""
    return tuple(filter(None, ("[CLS]", "[SEP]", self.unk_token)))

  @property
  def switches(self) -> tuple[str, ...]:
    """Names of the switches that mean something here."""
    if self.pieces == "google":
      return GOOGLE_SWITCHES
    return () if self.pieces == "whole" else ("do_lower_case",)


# Contract B-5, the archive of wiki-ja.model and model.ckpt-1400000.
_KIKUTA = {
  "hidden_size": 768,
  "num_hidden_layers": 12,
  "num_attention_heads": 12,
  "intermediate_size": 3072,
  "max_position_embeddings": 512,
  "type_vocab_size": 2,
  "vocab_size": 32000,
}

# fmt: off
FRONT_ENDS = {
  "google": FrontEnd("cleaning, ideographs apart, word pieces: the original, lower case", "google", do_lower_case=True),
  "multilingual-cased": FrontEnd("the original, cased", "google"),
  "bert-japanese": FrontEnd("SentencePiece, Kikuta's: unknown and padding are id 0", "sentencepiece", do_lower_case=True, unk_token="", pad_token="", config=_KIKUTA),
  "hottosns": FrontEnd("SentencePiece, hottoSNS: <unk> and <pad> by name", "sentencepiece", do_lower_case=True, unk_token="<unk>", pad_token="<pad>"),
  "tohoku": FrontEnd("NFKC, MeCab (ipadic or unidic-lite), word pieces or characters", "wordpiece", "nfkc", "ipadic"),
  "nict-100k": FrontEnd("full width, MeCab (jumandic), words", "wordpiece", "full-width", "jumandic"),
  "nict-bpe": FrontEnd("full width, MeCab (jumandic), word pieces", "wordpiece", "full-width", "jumandic"),
  "kyoto": FrontEnd("full width, Juman++, word pieces", "wordpiece", "full-width", "jumanpp"),
  "pretokenized": FrontEnd("pieces of the vocabulary with spaces between them", "whole"),
}
# fmt: on


def create(
  name: str,
  vocab_file: str,
  model_file: str | None = None,
  settings: Mapping[str, Any] | None = None,
) -> tokenization.Tokenizer:
  """Makes a tokenizer.

  Args:
    name: a key of `FRONT_ENDS`.
    vocab_file: the vocabulary.
    model_file: the SentencePiece model of front ends that have one.
    settings: the switches, and keys of Hugging Face's `tokenizer_config.json` that
      choose between the models of one family (`mecab_kwargs`,
      `subword_tokenizer_type`, `word_tokenizer_type`). None and absent mean the
      family's own.

  Raises:
    FileNotFoundError: no such file.
    ImportError: a package or program is not installed.
    ValueError: an unknown name, or files that do not fit the front end.
  """
  front_end = get(name)
  settings = _given(settings)
  if front_end.pieces == "sentencepiece":
    return _sentence_piece_tokenizer(name, vocab_file, model_file, settings)
  if model_file:
    raise ValueError(
      f"--tokenizer={name} takes no SentencePiece model, got {model_file}; leave "
      "--model_file out or choose bert-japanese or hottosns"
    )
  if front_end.pieces == "google":
    switches = _google_switches(front_end, settings)
    return tokenization.FullTokenizer(vocab_file, **switches)
  vocab = tokenization.load_vocab(vocab_file)
  tokenization.check_special_tokens(vocab, front_end.special_tokens, vocab_file)
  return _segmented_tokenizer(name, vocab, settings)


def get(name: str) -> FrontEnd:
  """The front end of that name.

  Raises:
    ValueError: there is none.
  """
  if name not in FRONT_ENDS:
    raise ValueError(
      f"--tokenizer={name} is not known; choose auto, {', '.join(FRONT_ENDS)}"
    )
  return FRONT_ENDS[name]


def _given(settings):
  return {k: v for k, v in (settings or {}).items() if v is not None}


def _google_switches(front_end, settings):
  given = {name: settings[name] for name in GOOGLE_SWITCHES if name in settings}
  return {"do_lower_case": front_end.do_lower_case, **given}


def _sentence_piece_tokenizer(name, vocab_file, model_file, settings):
  front_end = FRONT_ENDS[name]
  if not model_file:
    raise ValueError(
      f"--tokenizer={name} needs a SentencePiece model; give --model_file"
    )
  vocab = japanese_tokenization.load_piece_vocab(vocab_file)
  tokenization.check_special_tokens(vocab, front_end.special_tokens, vocab_file)
  lower = settings.get("do_lower_case", front_end.do_lower_case)
  return japanese_tokenization.SentencePieceTokenizer(
    vocab,
    sentence_piece.SentencePiece(model_file),
    lower,
    {"do_lower_case": lower},
    front_end.unk_token,
    front_end.pad_token,
  )


def _segmented_tokenizer(name, vocab, settings):
  front_end = FRONT_ENDS[name]
  lower = front_end.do_lower_case
  if "do_lower_case" in front_end.switches:
    lower = settings.get("do_lower_case", lower)
  segmenter, pieces = front_end.segmenter, front_end.pieces
  written = {"do_lower_case": lower}
  limits = {}
  if name == "tohoku":
    segmenter, pieces = _tohoku_parts(vocab, settings)
    written |= _hugging_face_settings(segmenter, pieces)
    if pieces == "wordpiece":
      limits["max_input_chars_per_word"] = _TOHOKU_WORD_LENGTH
  return japanese_tokenization.SegmentedTokenizer(
    vocab,
    _NORMALIZERS[front_end.normalizer](),
    _segmenter(segmenter),
    _PIECES[pieces](vocab, front_end.unk_token, **limits),
    lower,
    written,
    front_end.unk_token,
    front_end.pad_token,
  )


def _segmenter(name):
  if not name:
    return segmenters.Whitespace()
  return segmenters.Jumanpp() if name == "jumanpp" else segmenters.Mecab(name)


def _tohoku_parts(vocab, settings):
  """(segmenter, pieces) of a model of this family.

  The first models name no dictionary; later ones have larger vocabularies.
  """
  is_characters = all(len(t) == 1 for t in vocab if not t.startswith("["))
  pieces = settings.get("subword_tokenizer_type")
  pieces = pieces or ("character" if vocab and is_characters else "wordpiece")
  if pieces not in ("wordpiece", "character"):
    raise ValueError(
      f"subword_tokenizer_type {pieces!r} is not known; expected wordpiece or "
      "character (tokenizer_config.json)"
    )
  words = settings.get("word_tokenizer_type", "mecab")
  if words not in ("mecab", "jumanpp"):
    raise ValueError(
      f"word_tokenizer_type {words!r} is not known; expected mecab or jumanpp "
      "(tokenizer_config.json)"
    )
  if words == "jumanpp":
    return words, pieces
  unidic = len(vocab) > (32_000 if pieces == "wordpiece" else 4_000)
  dictionary = (settings.get("mecab_kwargs") or {}).get("mecab_dic")
  dictionary = dictionary or ("unidic_lite" if unidic else "ipadic")
  return _DICTIONARIES.get(dictionary, dictionary), pieces


# Hugging Face's name -> ours; others are equal, or paths.
_DICTIONARIES = {"unidic_lite": "unidic-lite"}


def _hugging_face_settings(segmenter, pieces):
  """What Hugging Face's tokenizer for Japanese needs to make the same pieces."""
  result = {
    "tokenizer_class": "BertJapaneseTokenizer",
    "word_tokenizer_type": "jumanpp" if segmenter == "jumanpp" else "mecab",
    "subword_tokenizer_type": pieces,
  }
  if segmenter != "jumanpp":
    theirs = {ours: name for name, ours in _DICTIONARIES.items()}
    result["mecab_kwargs"] = {"mecab_dic": theirs.get(segmenter, segmenter)}
  return result


def words_of(
  name: str, settings: Mapping[str, Any] | None = None
) -> Callable[[str], list[str]]:
  """A function: text -> normalized words, before they are split into pieces.

  Args:
    name: a front end whose pieces are parts of words.
    settings: as in `create`.

  Raises:
    ValueError: the front end has no words.
  """
  front_end = get(name)
  settings = _given(settings)
  lower = settings.get("do_lower_case", front_end.do_lower_case)
  if front_end.pieces == "sentencepiece":
    raise ValueError(f"--tokenizer={name} has pieces and no words")
  if front_end.pieces == "google":
    return tokenization.BasicTokenizer(**_google_switches(front_end, settings)).tokenize
  normalizer = _NORMALIZERS[front_end.normalizer]()
  segmenter = front_end.segmenter
  if name == "tohoku":
    segmenter, _ = _tohoku_parts((), settings)
  split = _segmenter(segmenter).split

  def words(text):
    found = split(normalizer(text))
    return [word.lower() for word in found] if lower else found

  return words


def load_config(name: str | None, files: model_files.ModelFiles) -> Any:
  """The model's `BertConfig`: of its file, or `default_config`.

  Args:
    name: its front end; not needed where the files have a configuration.
    files: the model's.

  Raises:
    FileNotFoundError: the file is not there.
    ValueError: it is damaged; or there is none, and the models of this front end have
      configurations.
  """
  from bert_ja import modeling

  if files.config_file:
    return modeling.BertConfig.from_json_file(files.config_file)
  logging.info("%s has no configuration: that of %s's models", files.directory, name)
  return modeling.BertConfig.from_dict(default_config(name, files))


def default_config(name: str, files: model_files.ModelFiles) -> dict[str, Any]:
  """`BertConfig`'s values for a model that was published without one (B-5).

  Sizes are those of the weights, where there are any.

  Raises:
    ValueError: the models of this front end have configurations.
  """
  values = get(name).config
  if values is None:
    raise ValueError(
      f"{files.directory or 'the model'} has no configuration, and --tokenizer={name} "
      "stands for models that have one; give --bert_config_file"
    )
  if not files.init_checkpoint:
    return dict(values)
  from bert_ja import checkpoint

  shapes = checkpoint.open_checkpoint(files.init_checkpoint).shapes
  return {**values, **_sizes(shapes)}


def _sizes(shapes):
  """What the shapes of a model's weights say about its configuration."""
  prefix = "bert/embeddings/"
  if f"{prefix}word_embeddings" not in shapes:
    return {}
  vocab_size, hidden_size = shapes[f"{prefix}word_embeddings"]
  layers = {name.split("/")[2] for name in shapes if "bert/encoder/layer_" in name}
  return {
    "vocab_size": vocab_size,
    "hidden_size": hidden_size,
    "num_hidden_layers": len(layers),
    # The shapes do not tell; all published models have heads of 64.
    "num_attention_heads": max(1, hidden_size // 64),
    "intermediate_size": shapes["bert/encoder/layer_0/intermediate/dense/bias"][0],
    "max_position_embeddings": shapes[f"{prefix}position_embeddings"][0],
    "type_vocab_size": shapes[f"{prefix}token_type_embeddings"][0],
  }
