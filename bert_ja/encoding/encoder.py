"""Vectors of texts in Python; an object that scikit-learn takes as a transformer."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn import base

from bert_ja import front_end_choice, front_ends, model_files
from bert_ja.data import text_rows
from bert_ja.encoding import vectors


class Encoder(base.TransformerMixin, base.BaseEstimator):
  """Texts to vectors by a pre-trained model.

  Encoder("bert-ja-small").encode(["駅前の店。", "Good!"])  # float32 [2, H]
  make_pipeline(Encoder("bert-ja-small"), LogisticRegression())

  The model is read when it is first needed, and again by a copy of the object.
  """

  def __init__(
    self,
    model_dir: str,
    pooling: str = "mean",
    layers: Iterable[int] = (-1,),
    layer_combination: str = "concat",
    normalize: bool = False,
    long_text: str = "truncate",
    max_seq_length: int | None = None,
    batch_size: int = 32,
    precision: str = "float32",
    tokenizer: str | None = None,
  ):
    """Keeps its arguments, as scikit-learn wants it; they are checked in use.

    Args:
      model_dir: as --model_dir: a directory, or the name of a model that is here.
      pooling: see `vectors.Options`, as for the next six.
      layers: of the encoder.
      layer_combination: concat or mean.
      normalize: whether vectors have length 1.
      long_text: truncate or windows.
      max_seq_length: 128 by default, or what the model has if that is less.
      batch_size: texts at once.
      precision: float32, bfloat16 or float16.
      tokenizer: a front end's name; by default the model's files tell.
    """
    self.model_dir = model_dir
    self.pooling = pooling
    self.layers = layers
    self.layer_combination = layer_combination
    self.normalize = normalize
    self.long_text = long_text
    self.max_seq_length = max_seq_length
    self.batch_size = batch_size
    self.precision = precision
    self.tokenizer = tokenizer

  def fit(self, texts: Iterable[text_rows.Text], labels: Any = None) -> "Encoder":
    """Does nothing: the model is trained already."""
    del texts, labels
    return self

  def transform(self, texts: Iterable[text_rows.Text]) -> np.ndarray:
    """`encode` with the settings of the object."""
    return self.encode(texts)

  def encode(
    self, texts: Iterable[text_rows.Text], **options: Any
  ) -> np.ndarray | list[np.ndarray]:
    """Vectors of texts, in their order.

    Args:
      texts: strings, or pairs of strings.
      **options: pooling, layers, layer_combination, normalize, long_text,
        max_seq_length and batch_size of this call, in place of the object's.

    Returns:
      float32 [R, D]. With pooling="none" a list of float32 [T, D], a row a piece.

    Raises:
      ValueError: an option, the model's directory or a text is wrong.
    """
    model = self._loaded_model()
    chosen = self._options(model.config, options)
    size = chosen.size(model.config)
    blocks = [found for _, found in model.blocks(_checked(texts), chosen)]
    if chosen.pooling == "none":
      of_texts = [values for block in blocks for values in block.of_texts()]
      return [values.reshape(len(values), size) for values in of_texts]
    values = [block.values for block in blocks]
    return np.concatenate(values) if values else np.zeros([0, size], np.float32)

  def _options(self, config, given):
    names = [field.name for field in dataclasses.fields(vectors.Options)]
    unknown = given.keys() - set(names)
    if unknown:
      raise ValueError(
        f"encode has no option {min(unknown)!r}; expected some of {', '.join(names)}"
      )
    values = {name: given.get(name, getattr(self, name)) for name in names}
    values["layers"] = tuple(values["layers"])
    if values["max_seq_length"] is None:
      values["max_seq_length"] = min(
        vectors.DEFAULT_LENGTH, config.max_position_embeddings
      )
    return vectors.Options(**values)

  def _loaded_model(self):
    key = self.model_dir, self.precision, self.tokenizer
    loaded = getattr(self, "_loaded", None)
    if loaded is None or loaded[0] != key:
      loaded = self._loaded = key, load(*key)
    return loaded[1]

  def __getstate__(self):
    # Weights and traced functions stay here: a copy reads them from the model's files.
    state = super().__getstate__()
    return {name: value for name, value in state.items() if name != "_loaded"}


def load(
  model_dir: str, precision: str = "float32", tokenizer: str | None = None
) -> vectors.VectorModel:
  """The model of a directory; arguments as of `Encoder`.

  Raises:
    ValueError: there is no model with weights and a vocabulary.
  """
  files = model_files.find(model_dir)
  if not files.init_checkpoint:
    raise ValueError(f"{model_dir} holds no weights; give a pre-trained model")
  if tokenizer:
    settings = files.tokenizer_settings
    choice = front_end_choice.Choice(tokenizer, "it was given", settings)
  else:
    choice = front_end_choice.choose(files)
  config = front_ends.load_config(choice.name, files)
  made = front_ends.create(
    choice.name, files.vocab_file, files.model_file, choice.settings
  )
  return vectors.VectorModel(config, files.init_checkpoint, made, precision)


def _checked(texts):
  if isinstance(texts, str):
    raise ValueError(f"expected a list of texts, found one: {texts[:40]!r}")
  for number, text in enumerate(texts):
    is_pair = isinstance(text, tuple | list) and len(text) == 2
    parts = text if is_pair else [text]
    if not all(isinstance(part, str) for part in parts):
      raise ValueError(
        f"text {number}: expected a string or a pair of strings, found {text!r:.60}"
      )
    yield tuple(text) if is_pair else text
