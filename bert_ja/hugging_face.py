"""Hugging Face weight files under TF1 names and layouts, read and written.

The names follow `transformers` (BertModel and its BertFor... heads); the TF1 side
is contract A-42 to A-44. Nothing here imports TensorFlow or `transformers`.
"""

import os
import re
import tempfile
from collections.abc import Mapping
from typing import Any

# Comes with TensorFlow; its import makes numpy know bfloat16, which safetensors needs.
import ml_dtypes as ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

from bert_ja import text_io

WEIGHTS_NAMES = ("model.safetensors", "pytorch_model.bin")  # the first found is read
CONFIG_NAME = "config.json"

_ENCODER_SCOPES = ("embeddings.", "encoder.", "pooler.")
# `gelu` means the tanh form here, as in the original, and the erf form there.
_ACTIVATIONS = {
  "gelu": "gelu_new",
  "gelu_tanh": "gelu_new",
  "gelu_pytorch_tanh": "gelu_new",
  "gelu_erf": "gelu",
}
# The first row whose heads are among the variables names the class.
_ARCHITECTURES = (
  (("cls/predictions/", "cls/seq_relationship/"), "BertForPreTraining"),
  (("cls/predictions/",), "BertForMaskedLM"),
  (("cls/seq_relationship/",), "BertForNextSentencePrediction"),
  (("cls/squad/",), "BertForQuestionAnswering"),
  (("output_weights",), "BertForSequenceClassification"),
)
# Classes that keep the same tensors; which one it is only the configuration can say.
_SAME_TENSORS = {
  "BertForSequenceClassification": (
    "BertForTokenClassification",
    "BertForMultipleChoice",
  ),
}


def _dotted(scope):
  return scope.replace("layer_#", "layer.#").replace("/", ".")


def _dense(scope):
  # torch.nn.Linear keeps [out, in], a TF1 kernel [in, out].
  yield f"{scope}/kernel", f"{_dotted(scope)}.weight", True
  yield f"{scope}/bias", f"{_dotted(scope)}.bias", False


def _layer_norm(scope):
  yield f"{scope}/gamma", f"{_dotted(scope)}.weight", False
  yield f"{scope}/beta", f"{_dotted(scope)}.bias", False


def _table():
  """Rows (TF1 name, Hugging Face name, transposed); # stands for a layer number."""
  for kind in ("word", "token_type", "position"):
    scope = f"bert/embeddings/{kind}_embeddings"
    yield scope, f"{_dotted(scope)}.weight", False
  yield from _layer_norm("bert/embeddings/LayerNorm")
  layer = "bert/encoder/layer_#"
  for kind in ("query", "key", "value"):
    yield from _dense(f"{layer}/attention/self/{kind}")
  yield from _dense(f"{layer}/attention/output/dense")
  yield from _layer_norm(f"{layer}/attention/output/LayerNorm")
  yield from _dense(f"{layer}/intermediate/dense")
  yield from _dense(f"{layer}/output/dense")
  yield from _layer_norm(f"{layer}/output/LayerNorm")
  yield from _dense("bert/pooler/dense")
  yield from _dense("cls/predictions/transform/dense")
  yield from _layer_norm("cls/predictions/transform/LayerNorm")
  yield "cls/predictions/output_bias", "cls.predictions.bias", False
  for tf1, other in (
    ("cls/seq_relationship/output_", "cls.seq_relationship."),
    ("cls/squad/output_", "qa_outputs."),
    ("output_", "classifier."),
  ):
    # Head weights are [out, in] on both sides.
    yield f"{tf1}weights", f"{other}weight", False
    yield f"{tf1}bias", f"{other}bias", False


_FROM_HUGGING_FACE = {other: (tf1, turned) for tf1, other, turned in _table()}
_TO_HUGGING_FACE = {tf1: (other, turned) for tf1, other, turned in _table()}


def to_tf1_name(name: str) -> tuple[str, bool] | None:
  """TF1 name of a Hugging Face tensor and whether it is stored transposed.

  Takes names with and without `bert.`, and LayerNorm's old `gamma` and `beta`.
  None for what has no TF1 counterpart: buffers, the tied decoder matrix.
  """
  if name.startswith(_ENCODER_SCOPES):
    name = f"bert.{name}"
  name = re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", name)
  name = re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name)
  number = re.search(r"\.layer\.(\d+)\.", name)
  if not number:
    return _FROM_HUGGING_FACE.get(name)
  row = _FROM_HUGGING_FACE.get(name.replace(number[0], ".layer.#.", 1))
  return row and (row[0].replace("#", number[1]), row[1])


def to_hugging_face_name(name: str) -> tuple[str, bool] | None:
  """Hugging Face name of a TF1 variable and whether it is transposed, or None."""
  number = re.search(r"/layer_(\d+)/", name)
  if not number:
    return _TO_HUGGING_FACE.get(name)
  row = _TO_HUGGING_FACE.get(name.replace(number[0], "/layer_#/", 1))
  return row and (row[0].replace("#", number[1]), row[1])


class Reader:
  """Tensors of one `.safetensors` or `.bin` file under TF1 names.

  Attributes:
    path: the file.
    shapes: {TF1 name: [sizes in TF1 layout]}, in the order of the file.
  """

  def __init__(self, path: str):
    """Reads names and shapes; a safetensors file's values stay on disk.

    Raises:
      FileNotFoundError: the file does not exist.
      ImportError: a `.bin` file, and no torch that loads it safely.
      ValueError: the file is damaged, holds objects that are not tensors, or no
        tensor of a BERT model.
    """
    if not text_io.exists(path):
      raise FileNotFoundError(f"{path} does not exist")
    self.path = path
    self._file = _Safetensors(path) if path.endswith(".safetensors") else _Torch(path)
    self.shapes, self._stored = {}, {}
    for stored in self._file.names():
      row = to_tf1_name(stored)
      if row:
        name, turned = row
        shape = self._file.shape(stored)
        self.shapes[name] = shape[::-1] if turned else shape
        self._stored[name] = stored, turned
    if not self.shapes:
      example = next(iter(self._file.names()), "nothing")
      raise ValueError(
        f"{path} holds no tensor of a BERT model; expected names such as "
        f"bert.embeddings.word_embeddings.weight, found {example}"
      )

  def tensor(self, name: str) -> np.ndarray:
    """Value of the TF1 name in TF1 layout; 16-bit floats come as float32."""
    stored, turned = self._stored[name]
    value = self._file.value(stored)
    return np.ascontiguousarray(value.T) if turned else value


class _Safetensors:
  """Names, shapes and values of a safetensors file."""

  def __init__(self, path):
    self._path = path
    self._copy = None
    if text_io.is_remote(path):
      # The library maps a local file; the copy lives as long as this reader.
      self._copy = tempfile.TemporaryDirectory()
      path = os.path.join(self._copy.name, "model.safetensors")
      text_io.copy(self._path, path)
    try:
      self._file = safetensors.safe_open(path, framework="np")
    except (safetensors.SafetensorError, OSError) as error:
      raise _damaged(self._path, error) from error

  def names(self):
    return self._file.keys()

  def shape(self, name):
    return list(self._file.get_slice(name).get_shape())

  def value(self, name):
    try:
      return _widened(self._file.get_tensor(name))
    except safetensors.SafetensorError as error:
      raise _damaged(self._path, error) from error


class _Torch:
  """Names, shapes and values of a file of `torch.save`, loaded without running code."""

  def __init__(self, path):
    torch = _import_torch(path)
    try:
      with text_io.open_file(path, "rb") as reader:
        state = torch.load(reader, map_location="cpu", weights_only=True)
    except Exception as error:  # torch reports damage as errors of a dozen classes
      if "Weights only load failed" in str(error):
        raise ValueError(
          f"{path} is damaged or holds objects that are not tensors; it is not loaded, "
          "because unpickling them can run code; save the state_dict alone, or as "
          "model.safetensors"
        ) from error
      raise _damaged(path, error) from error
    if not isinstance(state, Mapping):
      raise ValueError(
        f"{path}: expected a state_dict of tensors, found {type(state).__name__}"
      )
    self._tensors = {k: v for k, v in state.items() if isinstance(v, torch.Tensor)}

  def names(self):
    return self._tensors.keys()

  def shape(self, name):
    return list(self._tensors[name].shape)

  def value(self, name):
    tensor = self._tensors[name].detach()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def _import_torch(path):
  needs = f'{path} needs torch 2.6 or newer: pip install "bert_ja[torch]"'
  try:
    import torch
  except ImportError as error:
    raise ImportError(needs) from error
  # Before 2.6 weights_only=True could be led to run code (CVE-2025-32434).
  if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 6):
    raise ImportError(f"{needs} (found {torch.__version__})")
  return torch


def _widened(array):
  """float16 and bfloat16 as float32; other types as they are."""
  return array.astype(np.float32) if array.dtype.itemsize == 2 else array


def _damaged(path, error):
  reason = (str(error).split("\n")[0] or type(error).__name__)[:200]
  return ValueError(f"{path} is damaged or not a weight file ({reason}); copy it again")


def save(
  directory: str, arrays: Mapping[str, np.ndarray], config: Mapping[str, Any]
) -> list[str]:
  """Writes `model.safetensors` and `config.json` for `from_pretrained`.

  Args:
    directory: created if missing.
    arrays: {TF1 name: array in TF1 layout}. Names that have no counterpart
      (optimizer slots, the step counter) are left out.
    config: BertConfig.to_dict(). Its `architectures` and `id2label` are kept where
      they fit the variables, else made from them.

  Returns:
    The TF1 names that were written.

  Raises:
    ValueError: none of the names has a counterpart, or the head is one that no class
      there has: with hidden layers, or of two towers.
  """
  head = next(
    (name for name in arrays if name.startswith(("mlp/", "two_tower/"))), None
  )
  if head:
    raise ValueError(
      f"{head} has no counterpart in Hugging Face's layout, whose classifiers have one "
      "linear layer; a model of --head=mlp or --pair_model=two_tower can be kept in "
      "TF1's layout alone"
    )
  rows = {name: to_hugging_face_name(name) for name in arrays}
  written = [name for name, row in rows.items() if row]
  if not written:
    raise ValueError(
      f"no variable of {directory} belongs to a BERT model; expected names such as "
      f"bert/embeddings/word_embeddings, got {next(iter(arrays), 'none')}"
    )
  has_head = any(not name.startswith("bert/") for name in written)
  tensors = {}
  for name in written:
    other, turned = rows[name]
    # A bare BertModel has no `bert.` in its own names.
    other = other if has_head else other.removeprefix("bert.")
    array = np.asarray(arrays[name])
    tensors[other] = np.ascontiguousarray(array.T if turned else array)
  text_io.makedirs(directory)
  # transformers refuses a file that does not say which framework's layout it has.
  data = safetensors.numpy.save(tensors, metadata={"format": "pt"})
  text_io.write_bytes(os.path.join(directory, WEIGHTS_NAMES[0]), data)
  text_io.write_json(
    os.path.join(directory, CONFIG_NAME), _config(config, written, arrays)
  )
  return written


def _config(config, names, arrays):
  """The configuration in Hugging Face's words."""
  result = {"model_type": "bert", **config}
  activation = (config.get("hidden_act", "gelu") or "linear").lower()
  result["hidden_act"] = _ACTIVATIONS.get(activation, activation)
  # The configuration of a pre-trained model can come with the weights of a classifier
  # trained from it, so what it says is taken only where it fits the tensors.
  architecture = _architecture(names)
  stated = next(iter(config.get("architectures") or []), None)
  if stated in _SAME_TENSORS.get(architecture, ()):
    architecture = stated
  result["architectures"] = [architecture]
  if "output_bias" in names:
    size = len(arrays["output_bias"])
    if len(config.get("id2label") or ()) != size:
      result["id2label"] = {str(i): f"LABEL_{i}" for i in range(size)}
    # Both directions are needed: the number of labels is the length of id2label.
    result["label2id"] = {label: int(i) for i, label in result["id2label"].items()}
  return result


def _architecture(names):
  for heads, architecture in _ARCHITECTURES:
    if all(any(name.startswith(head) for name in names) for head in heads):
      return architecture
  return "BertModel"
