"""Name-based checkpoints: variables by name <-> TF1 checkpoint files.

A file of Hugging Face weights is read wherever a TF1 prefix is (`open_checkpoint`).
Files are written so that a process killed at any moment leaves a directory that
restores: data first, then the index that makes a checkpoint complete, then the
pointer file, and only then are older checkpoints removed.
"""

import collections
import glob
import itertools
import os
import re
from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from bert_ja import hugging_face, text_io

POINTER_NAME = "checkpoint"

# What TensorFlow raises for damaged files, depending on where the damage is.
_READ_ERRORS = (tf.errors.OpError, RuntimeError, IndexError)
_STEP_PREFIX = re.compile(r"model\.ckpt-(\d+)")
# `.new` is a second writing of a step while the first one still counts.
_STEP_FILE = re.compile(r"(model\.ckpt-\d+)(\.new)?\.(index|meta|data-\d+-of-\d+)")
_POINTER_LINE = re.compile(r'^(all_)?model_checkpoint_paths?: "(.+)"\s*$', re.MULTILINE)
_OPTIMIZER_STATE = re.compile(r"/adam_[mv]$|^global_step$|^loss_scale(/|$)")


def named_variables(module: tf.Module) -> "collections.OrderedDict[str, tf.Variable]":
  """Name -> variable in attribute (= creation) order.

  `module.variables` sorts attributes by name; files and optimizers follow the order
  of the original, which is the order of creation.

  Raises:
    ValueError: two variables have the same name.
  """
  found, seen = collections.OrderedDict(), set()

  def visit(node):
    if id(node) in seen:
      return
    seen.add(id(node))
    if isinstance(node, tf.Variable):
      name = node.name.split(":")[0]
      if name in found:
        raise ValueError(
          f"two variables are called {name!r}; give one module another name"
        )
      found[name] = node
    elif isinstance(node, tf.Module):
      for attribute, value in vars(node).items():
        if attribute not in type(node)._TF_MODULE_IGNORED_PROPERTIES:
          visit(value)
    elif isinstance(node, (list, tuple)):
      for child in node:
        visit(child)
    elif isinstance(node, dict):
      for child in node.values():
        visit(child)

  visit(module)
  return found


def is_optimizer_state(name: str) -> bool:
  """Whether a stored name is a slot, the step counter or the loss scale."""
  return _OPTIMIZER_STATE.search(name) is not None


class Reader:
  """Tensors of a TF1 checkpoint; `hugging_face.Reader` has the same members.

  Attributes:
    path: the prefix.
    shapes: {name: [sizes]}, sorted by name as in the file.
  """

  def __init__(self, prefix: str):
    """Reads the index.

    Raises:
      ValueError: the index is damaged, or TensorFlow cannot read this path.
    """
    _check_readable(prefix)
    self.path = prefix
    try:
      self._reader = tf.train.load_checkpoint(prefix)
    except _READ_ERRORS as error:
      raise _damaged(f"{prefix}.index", error) from error
    shapes = self._reader.get_variable_to_shape_map()
    self.shapes = {name: list(shapes[name]) for name in sorted(shapes)}

  def tensor(self, name: str) -> np.ndarray:
    """The stored value.

    Raises:
      ValueError: the data file is damaged.
    """
    try:
      return self._reader.get_tensor(name)
    except _READ_ERRORS as error:
      raise _damaged(f"{self.path}.data-*", error) from error


def _check_readable(prefix):
  # TensorFlow takes a prefix for a pattern when it reads and for a name when it writes.
  if re.search(r"[][*?\\]", prefix):
    raise ValueError(
      f"{prefix}: TensorFlow cannot read a checkpoint whose path holds one of the "
      "characters [ ] * ? \\; rename the directory"
    )


def _damaged(path, error):
  reason = " ".join(str(error).split())[:200]
  return ValueError(f"{path} is damaged ({reason}); copy the file again")


def find_checkpoint(directory: str) -> str | None:
  """What a directory holds: the newest training checkpoint, weights, or one prefix.

  Returns:
    A TF1 prefix or a Hugging Face file; None where there is neither.

  Raises:
    ValueError: several prefixes, and nothing says which one is meant.
  """
  latest = latest_checkpoint(directory)
  if latest:
    return latest
  names = text_io.listdir(directory)
  for name in hugging_face.WEIGHTS_NAMES:
    if name in names:
      return os.path.join(directory, name)
  prefixes = _complete_prefixes(names)
  if len(prefixes) > 1:
    raise ValueError(
      f"{directory} holds {len(prefixes)} checkpoints ({', '.join(prefixes)}) and no "
      f"file {POINTER_NAME!r} that names one; give the path of one of them"
    )
  return os.path.join(directory, prefixes[0]) if prefixes else None


def open_checkpoint(path: str) -> "Reader | hugging_face.Reader":
  """Opens a TF1 prefix, a Hugging Face file, or a directory that holds either.

  Raises:
    ImportError: a `.bin` file, and no torch.
    ValueError: there is no checkpoint at `path`, or it is damaged.
  """
  found = find_checkpoint(path) if text_io.isdir(path) else path
  if found and text_io.exists(f"{found}.index"):
    return Reader(found)
  if found and found.endswith((".safetensors", ".bin")) and text_io.exists(found):
    return hugging_face.Reader(found)
  prefix = re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", path)
  if prefix != path and text_io.exists(f"{prefix}.index"):
    raise ValueError(f"{path} is one file of a checkpoint; give its prefix, {prefix}")
  raise ValueError(
    f"no checkpoint at {path}; expected a prefix (the path without .index), a file "
    f"{' or '.join(hugging_face.WEIGHTS_NAMES)}, or a directory that holds one of them"
  )


def get_assignment_map_from_checkpoint(
  variables: Mapping[str, tf.Variable], init_checkpoint: str
) -> "collections.OrderedDict[str, tf.Variable]":
  """The variables whose exact names the checkpoint holds (contract A-46)."""
  stored = open_checkpoint(init_checkpoint).shapes
  return _present(variables, stored)


def _present(variables, stored):
  return collections.OrderedDict((n, v) for n, v in variables.items() if n in stored)


def init_from_checkpoint(
  init_checkpoint: str, variables: Mapping[str, tf.Variable]
) -> set[str]:
  """Warm start: assigns stored values; other variables keep their initial values.

  Returns:
    The names that were assigned.

  Raises:
    ValueError: a shape differs, or the checkpoint holds no encoder variable.
  """
  reader = open_checkpoint(init_checkpoint)
  present = _present(variables, reader.shapes)
  # A head alone (`output_bias` is a common name) does not make it this model's file.
  encoder = [name for name in variables if name.startswith("bert/")] or list(variables)
  if not any(name in present for name in encoder):
    raise ValueError(
      f"{reader.path} holds no encoder variable of this model: it has "
      f"{next(iter(reader.shapes), 'none')}, the model has "
      f"{next(iter(encoder), 'none')}; give the checkpoint of a BERT model"
    )
  _assign(reader, present)
  return set(present)


def restore(prefix: str, variables: Mapping[str, tf.Variable]) -> None:
  """Assigns every variable.

  Raises:
    ValueError: a name is missing from the checkpoint, or a shape differs.
  """
  reader = open_checkpoint(prefix)
  missing = [name for name in variables if name not in reader.shapes]
  if missing:
    raise ValueError(
      f"{reader.path} lacks {len(missing)} of {len(variables)} variables, among them "
      f"{missing[0]}; it was written by another model or another optimizer"
    )
  _assign(reader, variables)


def _assign(reader, variables):
  # All shapes before the first value: an error leaves the model as it was.
  for name, variable in variables.items():
    shape = variable.shape.as_list()
    if reader.shapes[name] != shape:
      raise ValueError(
        f"{name} has shape {shape} in the model but {reader.shapes[name]} in "
        f"{reader.path}; was it trained with another vocabulary, size or label set?"
      )
  for name, variable in variables.items():
    variable.assign(reader.tensor(name).astype(variable.dtype.as_numpy_dtype))


def save(prefix: str, variables: Mapping[str, "tf.Variable | np.ndarray"]) -> None:
  """Writes `<prefix>.data-00000-of-00001`, then `<prefix>.index`, readable by TF1.

  Raises:
    OSError: the disk is full; its `filename` is the directory.
    ValueError: a path that TensorFlow could write but not read.
  """
  _check_readable(prefix)
  directory = os.path.dirname(prefix)
  if directory:
    text_io.makedirs(directory)
  values = [
    v.read_value() if isinstance(v, tf.Variable) else tf.constant(v)
    for v in variables.values()
  ]
  # The op writes temporary files and renames them, the index last.
  try:
    tf.raw_ops.SaveV2(
      prefix=prefix,
      tensor_names=list(variables),
      shape_and_slices=[""] * len(values),
      tensors=values,
    )
  except tf.errors.OpError as error:
    _remove_torn(prefix)
    # TensorFlow passes on what the system said, but not its number.
    for number in text_io.FULL_DISK:
      if os.strerror(number) in error.message:
        raise OSError(number, os.strerror(number), directory or ".") from error
    raise


def _remove_torn(prefix):
  """Removes what a failed writing left; data count for nothing without an index."""
  endings = [".*.tempstate*"]
  if not text_io.exists(f"{prefix}.index"):
    endings.append(".data-*")
  patterns = [glob.escape(prefix) + ending for ending in endings]
  for path in itertools.chain.from_iterable(map(text_io.glob, patterns)):
    text_io.remove(path)


def save_step(
  model_dir: str, step: int, variables: Mapping[str, tf.Variable], keep: int | None
) -> str:
  """Writes `model.ckpt-<step>`, points to it, keeps the newest `keep` (contract A-50).

  Args:
    model_dir: created if missing.
    step: the global step.
    variables: {name: variable}.
    keep: how many checkpoints stay; None or 0 keeps all.

  Returns:
    The prefix.
  """
  text_io.makedirs(model_dir)
  name = f"model.ckpt-{step}"
  older = [n for n in _kept(model_dir) if n != name]
  if _is_complete(name, text_io.listdir(model_dir)):
    _save_again(model_dir, name, variables)
  else:
    save(os.path.join(model_dir, name), variables)
  kept = [*older, name][-keep if keep else 0 :]
  _write_pointer(model_dir, kept)
  _remove_all_but(model_dir, kept)
  return os.path.join(model_dir, name)


def _save_again(model_dir, name, variables):
  """Replaces a complete checkpoint so that it or its successor is always complete.

  Two files cannot be replaced at once, and an index with another writing's data
  would look complete; so the new one is complete under its own name meanwhile.
  """
  new = f"{name}.new"
  save(os.path.join(model_dir, new), variables)
  names = [n for n in text_io.listdir(model_dir) if n.startswith(f"{new}.")]
  text_io.remove(os.path.join(model_dir, f"{name}.index"))
  for source in sorted(names, key=lambda n: n.endswith(".index")):
    target = name + source.removeprefix(new)
    text_io.copy(os.path.join(model_dir, source), os.path.join(model_dir, target))


def latest_checkpoint(model_dir: str) -> str | None:
  """Prefix of the checkpoint to continue from, or None.

  The one the pointer file names; where its files are missing or incomplete (a killed
  process, a partial copy), the newest complete `model.ckpt-<step>`.
  """
  if not text_io.isdir(model_dir):
    return None
  names = text_io.listdir(model_dir)
  pointed, _ = _read_pointer(model_dir)
  if pointed and _is_complete(pointed, names):
    return os.path.join(model_dir, pointed)
  steps = [p for p in _complete_prefixes(names) if _step_of(p) is not None]
  return os.path.join(model_dir, max(steps, key=_step_of)) if steps else None


def _step_of(prefix):
  match = _STEP_PREFIX.fullmatch(prefix.removesuffix(".new"))
  return int(match[1]) if match else None


def _kept(model_dir):
  """Complete checkpoints, oldest first, by the pointer file's order.

  Those it does not list count as the oldest: it is rewritten before files are removed,
  so they are what a killed process did not get round to.
  """
  prefixes = [
    p for p in _complete_prefixes(text_io.listdir(model_dir)) if _is_step_name(p)
  ]
  _, listed = _read_pointer(model_dir)
  order = {name: number for number, name in enumerate(listed)}
  return sorted(prefixes, key=lambda p: (order.get(p, -1), _step_of(p)))


def _is_step_name(prefix):
  return _STEP_PREFIX.fullmatch(prefix) is not None


def _complete_prefixes(names: Iterable[str]):
  found = [n.removesuffix(".index") for n in names if n.endswith(".index")]
  return [prefix for prefix in found if _is_complete(prefix, names)]


def _is_complete(prefix, names):
  """Whether the index and every data file it counts on are there."""
  parts = [
    match
    for name in names
    if (match := re.fullmatch(re.escape(prefix) + r"\.data-(\d+)-of-(\d+)", name))
  ]
  return f"{prefix}.index" in names and any(
    sum(other[2] == part[2] for other in parts) == int(part[2]) for part in parts
  )


def _read_pointer(model_dir):
  """(newest name, [names, oldest first]) of the pointer file; (None, []) without one.

  Only the last part of a path is used, so a directory that was moved still works.
  """
  path = os.path.join(model_dir, POINTER_NAME)
  if not text_io.exists(path):
    return None, []
  with text_io.open_file(path, "rb") as reader:
    # A damaged pointer is as good as none; TensorFlow's own reader stops at one.
    text = reader.read().decode("utf-8", errors="replace")
  lines = [(m[1], os.path.basename(m[2])) for m in _POINTER_LINE.finditer(text)]
  newest = next((name for listed, name in lines if not listed), None)
  return newest, [name for listed, name in lines if listed]


def _write_pointer(model_dir, kept):
  lines = [f'model_checkpoint_path: "{kept[-1]}"\n']
  lines += [f'all_model_checkpoint_paths: "{name}"\n' for name in kept]
  text_io.write_text(os.path.join(model_dir, POINTER_NAME), "".join(lines))


def _remove_all_but(model_dir, kept):
  """Removes older checkpoints and what killed writings left behind."""
  for name in text_io.listdir(model_dir):
    match = _STEP_FILE.match(name)
    stale = match and (match[0] != name or match[2] or match[1] not in kept)
    if stale or name.startswith(f"{POINTER_NAME}.tmp"):
      text_io.remove(os.path.join(model_dir, name))
