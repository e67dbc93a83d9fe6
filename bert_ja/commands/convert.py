"""Convert a model between the TF1 and the Hugging Face layout."""

import os

from absl import flags

from bert_ja.flags import command_line, model_flags

FLAGS = flags.FLAGS

_POSITIONS = "bert/embeddings/position_embeddings"


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags of this command."""
  flags.DEFINE_string(
    "input",
    None,
    "The model: its directory, or a TF1 prefix or weight file in it.",
    flag_values=flag_values,
  )
  flags.DEFINE_string(
    "output",
    None,
    "Directory to write; created if missing.",
    flag_values=flag_values,
  )
  flags.DEFINE_enum(
    "format",
    None,
    ["tf1", "huggingface"],
    "Layout to write.",
    flag_values=flag_values,
  )
  flags.DEFINE_bool(
    "strip_optimizer",
    False,
    "Leave out optimizer slots and the step counter. The Hugging Face layout has no "
    "place for them.",
    flag_values=flag_values,
  )
  flags.DEFINE_enum(
    "dtype",
    None,
    ["float16", "float32"],
    "Type of the weights that are written; by default as they are. float16 halves the "
    "files; weights become float32 again when a model is read.",
    flag_values=flag_values,
  )
  flags.DEFINE_integer(
    "trained_positions",
    None,
    "Positions that were trained, of a model that has more: the others get the vectors "
    "of those, over and over. Training at a greater length then starts from vectors "
    "that mean something.",
    1,
    None,
    flag_values,
  )
  flags.DEFINE_bool(
    "overwrite",
    False,
    "Write into an output directory that is not empty.",
    flag_values=flag_values,
  )


def main(_) -> None:
  """Reads the flags, converts, prints what was written."""
  command_line.require(FLAGS, "input", "output", "format")
  command_line.import_tensorflow()
  files = locate(FLAGS.input)
  check_output(files.directory, FLAGS.output, FLAGS.format, FLAGS.overwrite)
  options = (FLAGS.dtype, FLAGS.trained_positions)
  if FLAGS.format == "tf1":
    report = write_tf1(files, FLAGS.output, FLAGS.strip_optimizer, *options)
  else:
    report = write_hugging_face(files, FLAGS.output, *options)
  print(report)


def locate(path: str):
  """ModelFiles of `path`.

  Raises:
    ValueError: no configuration or no weights.
  """
  from bert_ja import model_files

  files = model_files.find(path)
  if files.init_checkpoint is None:
    raise ValueError(
      f"--input={path} holds no weights; looked for a TF1 checkpoint, "
      "model.safetensors and pytorch_model.bin"
    )
  return files


def check_output(source: str, output: str, layout: str, overwrite: bool) -> None:
  """Refuses to mix models.

  Raises:
    ValueError: the output is the input's directory, is not empty (without
      `overwrite`), or holds weights in the other layout.
  """
  from bert_ja import hugging_face, text_io

  if os.path.realpath(source) == os.path.realpath(output):
    raise ValueError(f"--output={output} is the directory of the input; name another")
  names = text_io.listdir(output) if text_io.isdir(output) else []
  if names and not overwrite:
    raise ValueError(
      f"--output={output} is not empty (it holds {names[0]}); name another directory "
      "or add --overwrite"
    )
  # Only files of the same names are replaced, and of two weights one would be read.
  other = [
    name
    for name in names
    if (name in hugging_face.WEIGHTS_NAMES) == (layout == "tf1")
    and (name in hugging_face.WEIGHTS_NAMES or name.endswith(".index"))
  ]
  if other:
    raise ValueError(
      f"--output={output} holds weights in the other layout ({other[0]}); name another "
      "directory"
    )


def write_tf1(
  files,
  output: str,
  strip_optimizer: bool,
  dtype: str | None = None,
  trained_positions: int | None = None,
) -> str:
  """Writes `bert_model.ckpt` and its description; returns a line that says what."""
  from bert_ja import checkpoint, model_files

  config = model_flags.load_config(files)
  arrays, dropped = _read(files, strip_optimizer, dtype, trained_positions)
  prefix = os.path.join(output, "bert_model.ckpt")
  checkpoint.save(prefix, arrays)
  model_files.write_description(
    output,
    config,
    files.vocab_file,
    _tokenizer_settings(files),
    files.task,
    files.model_file,
  )
  return _report(prefix, arrays, dropped)


def write_hugging_face(
  files, output: str, dtype: str | None = None, trained_positions: int | None = None
) -> str:
  """Writes `model.safetensors` and its description; returns a line that says what."""
  from bert_ja import hugging_face, model_files, text_io

  config = model_flags.load_config(files)
  arrays, dropped = _read(files, True, dtype, trained_positions)
  written = hugging_face.save(output, arrays, _labelled(config.to_dict(), files.task))
  model_files.write_tokenizer(
    output, files.vocab_file, _tokenizer_settings(files), files.model_file
  )
  if files.task:
    text_io.write_json(os.path.join(output, model_files.TASK_NAME), files.task)
  path = os.path.join(output, hugging_face.WEIGHTS_NAMES[0])
  dropped += [name for name in arrays if name not in set(written)]
  return _report(path, {name: arrays[name] for name in written}, dropped)


def _read(files, strip_optimizer, dtype, trained_positions):
  """(arrays by name, names that were left out)."""
  from bert_ja import checkpoint

  reader = checkpoint.open_checkpoint(files.init_checkpoint)
  dropped = [
    name
    for name in reader.shapes
    if strip_optimizer and checkpoint.is_optimizer_state(name)
  ]
  kept = [name for name in reader.shapes if name not in set(dropped)]
  arrays = {name: _cast(name, reader.tensor(name), dtype) for name in kept}
  if trained_positions is not None:
    for name in kept:
      # Slots of the optimizer are of the same shape, and belong to the same positions.
      if name.startswith(_POSITIONS):
        arrays[name] = repeat_positions(arrays[name], trained_positions)
  return arrays, dropped


def repeat_positions(array, trained_positions: int):
  """[P, H] whose first rows stand in place of the others too.

  Raises:
    ValueError: there are not as many positions.
  """
  import numpy as np

  if trained_positions > len(array):
    raise ValueError(
      f"--trained_positions={trained_positions}: the model has {len(array)} positions"
    )
  return array[np.arange(len(array)) % trained_positions]


def _cast(name, array, dtype):
  """Floating-point weights in another type; counters stay.

  Raises:
    ValueError: a weight is too large for it.
  """
  import numpy as np

  if dtype is None or not np.issubdtype(array.dtype, np.floating):
    return array
  with np.errstate(over="ignore"):
    cast = array.astype(dtype)
  if not np.isfinite(cast).all():
    raise ValueError(
      f"--dtype={dtype}: {name} holds values that it cannot hold, up to "
      f"{np.abs(array).max():g}; leave the flag out"
    )
  return cast


def _labelled(config, task):
  """The configuration with the task's labels, in Hugging Face's keys."""
  kinds = {
    "sentence": "BertForSequenceClassification",
    "token": "BertForTokenClassification",
    "choice": "BertForMultipleChoice",
  }
  if task.get("kind") in kinds:
    config["architectures"] = [kinds[task["kind"]]]
  if task.get("labels"):
    config["id2label"] = {str(i): name for i, name in enumerate(task["labels"])}
  return config


def _tokenizer_settings(files):
  """The input's settings, with the front end and the case where they say nothing.

  What speaks for a front end, such as the directory's name, may not be there in the
  output; and Hugging Face's default is lower case.
  """
  from bert_ja import front_end_choice, front_ends

  if not files.vocab_file:
    return files.tokenizer_settings
  name = front_end_choice.choose(files).name
  case = front_ends.get(name).do_lower_case
  return {"do_lower_case": case, **files.tokenizer_settings, "tokenizer": name}


def _report(path, arrays, dropped):
  parameters = sum(array.size for array in arrays.values())
  left_out = f"; {len(dropped)} left out, such as {dropped[0]}" if dropped else ""
  return f"{path}: {len(arrays)} variables, {parameters:,} parameters{left_out}"
