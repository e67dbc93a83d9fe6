"""What lies in a model directory: weights, configuration, vocabulary, settings.

One description for three layouts: the TF1 archives (contract A-54), Hugging Face
directories, and our own output directories, which are complete models: `find` gives
back what `write_description` was given.
"""

import dataclasses
import fnmatch
import os
from collections.abc import Collection, Mapping
from typing import Any

from bert_ja import shipped_models, text_io

# The first of each that is there is taken.
CONFIG_NAMES = ("bert_config.json", "config.json")
# Of the patterns that follow the names, the file must be the only one. A vocabulary made
# for BERT stands beside SentencePiece's own in hottoSNS's archive.
VOCABULARY_NAMES = ("vocab.txt", "spiece.vocab", "*.vocab.to.bert", "*.vocab")
MODEL_NAMES = ("spiece.model", "*.model")
TOKENIZER_NAME = "tokenizer_config.json"
TASK_NAME = "task.json"

_CLASSIFIERS = ("ForSequenceClassification", "ForTokenClassification")


@dataclasses.dataclass(frozen=True)
class ModelFiles:
  """Parts of a model directory; a missing part is None or {}.

  Attributes:
    directory: where they lie.
    init_checkpoint: TF1 prefix or Hugging Face weight file.
    config_file: for `BertConfig.from_json_file`, which takes either layout. Missing
      only beside a SentencePiece model, whose family says what it was.
    vocab_file: one token a line, or with its score.
    tokenizer_settings: `tokenizer_config.json` as it is; the keys are those of
      Hugging Face (`do_lower_case`, `strip_accents`, `tokenize_chinese_chars`, ...).
    task: what the model was trained for (`labels`, `max_seq_length`, flag values).
    model_file: SentencePiece model.
  """

  directory: str
  init_checkpoint: str | None
  config_file: str | None
  vocab_file: str | None
  tokenizer_settings: dict[str, Any]
  task: dict[str, Any]
  model_file: str | None = None


def find(path: str, weights: bool = True, given: Collection[str] = ()) -> ModelFiles:
  """Looks for the parts of a model.

  Args:
    path: the model's directory, or the weights in it: a TF1 prefix or a weight file;
      or the name of a model that comes with the package.
    weights: whether to look for them; who needs the tokenizer alone is spared
      TensorFlow's start, and needs no configuration.
    given: names of fields that the caller fills: they are not looked for.

  Raises:
    ValueError: nothing is there, the directory has no configuration or more than one
      model, or a JSON file is damaged.
  """
  path = shipped_models.resolve(path)
  model_dir, init_checkpoint = path, None
  if not text_io.isdir(path):
    if not (text_io.exists(f"{path}.index") or text_io.exists(path)):
      here = " or ".join(shipped_models.names())
      raise ValueError(
        f"{path} does not exist; give a model's directory, or the TF1 prefix or weight "
        f"file in it{here and f', or {here}, which is here already'}"
      )
    model_dir, init_checkpoint = os.path.dirname(path) or ".", path
  names = text_io.listdir(model_dir)

  def first(patterns, field=None):
    return None if field in given else _first(model_dir, names, patterns)

  config_file = first(CONFIG_NAMES)
  vocab_file = first(VOCABULARY_NAMES, "vocab_file")
  # Beside word pieces, a file that ends in .model is something else.
  is_word_pieces = VOCABULARY_NAMES[0] in names
  model_file = None if is_word_pieces else first(MODEL_NAMES, "model_file")
  is_described = config_file or model_file or {"config_file", "model_file"} & set(given)
  if not (is_described or (vocab_file and not weights)):
    raise ValueError(
      f"{model_dir} is no model directory: it holds no configuration (looked for "
      f"{' and '.join(CONFIG_NAMES)})"
    )
  if weights and not init_checkpoint:
    from bert_ja import checkpoint

    init_checkpoint = checkpoint.find_checkpoint(model_dir)
  task_file = first((TASK_NAME,))
  return ModelFiles(
    directory=model_dir,
    init_checkpoint=init_checkpoint,
    config_file=config_file,
    vocab_file=vocab_file,
    tokenizer_settings=tokenizer_settings(model_dir),
    task=read_object(task_file) or _labels_of(config_file),
    model_file=model_file,
  )


def tokenizer_settings(directory: str) -> dict[str, Any]:
  """`tokenizer_config.json` of a directory, {} without one.

  Raises:
    ValueError: it is damaged.
  """
  path = os.path.join(directory, TOKENIZER_NAME)
  return read_object(path if text_io.exists(path) else None)


def _first(directory, names, patterns):
  """Path of the file that the first pattern with a match names, or None."""
  for pattern in patterns:
    found = fnmatch.filter(names, pattern)
    if len(found) > 1:
      raise ValueError(
        f"{directory} holds {len(found)} files {pattern} ({', '.join(found)}); keep one, "
        "or give its path by flag"
      )
    if found:
      return os.path.join(directory, found[0])
  return None


def read_object(path: str | None) -> dict[str, Any]:
  """The object that a JSON file holds; {} without a path.

  Raises:
    ValueError: the file is damaged.
  """
  if path is None:
    return {}
  value = text_io.read_json(path)
  if not isinstance(value, dict):
    raise ValueError(f"{path}: expected a JSON object, found {type(value).__name__}")
  return value


def _labels_of(config_file):
  """The labels that a Hugging Face classifier keeps in its configuration."""
  config = read_object(config_file)
  architecture = next(iter(config.get("architectures") or []), "")
  if not architecture.endswith(_CLASSIFIERS) or not config.get("id2label"):
    return {}
  ordered = sorted(config["id2label"].items(), key=lambda item: int(item[0]))
  return {"labels": [label for _, label in ordered]}


def write_description(
  output_dir: str,
  config: Any,
  vocab_file: str | None,
  tokenizer_settings: Mapping[str, Any],
  task: Mapping[str, Any],
  model_file: str | None = None,
) -> None:
  """Writes all of a model but its weights, each file whole or not at all.

  Args:
    output_dir: created if missing.
    config: BertConfig.
    vocab_file: copied; None for a model without one.
    tokenizer_settings: keys as in Hugging Face's `tokenizer_config.json`.
    task: any JSON object.
    model_file: SentencePiece model, copied; None for a model without one.
  """
  text_io.makedirs(output_dir)
  text_io.write_text(os.path.join(output_dir, CONFIG_NAMES[0]), config.to_json_string())
  write_tokenizer(output_dir, vocab_file, tokenizer_settings, model_file)
  text_io.write_json(os.path.join(output_dir, TASK_NAME), dict(task))


def write_tokenizer(
  output_dir: str,
  vocab_file: str | None,
  tokenizer_settings: Mapping[str, Any],
  model_file: str | None = None,
) -> None:
  """Writes vocabulary, SentencePiece model and settings, which both layouts share."""
  # A vocabulary with scores must not be taken for word pieces.
  vocab_name = VOCABULARY_NAMES[1 if model_file else 0]
  for source, name in ((vocab_file, vocab_name), (model_file, MODEL_NAMES[0])):
    if source is not None:
      text_io.copy(source, os.path.join(output_dir, name))
  text_io.write_json(os.path.join(output_dir, TOKENIZER_NAME), dict(tokenizer_settings))
