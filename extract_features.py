"""Writes the vectors that a pre-trained model gives texts or their pieces."""

from absl import flags, logging

from bert_ja.flags import (
  command_line,
  data_flags,
  model_flags,
  runtime_flags,
  tokenizer_flags,
)

FLAGS = flags.FLAGS

_ORIGINALS_LAYERS = ["-1", "-2", "-3", "-4"]


def define_flags(flag_values=FLAGS):
  """Defines the script's flags (contract A-12)."""
  names = ("model_dir", "bert_config_file", "init_checkpoint", "precision")
  model_flags.define(flag_values, only=names)
  data_flags.define(flag_values, only=("max_seq_length",))
  for group in (tokenizer_flags, runtime_flags):
    group.define(flag_values)
  for group in (model_flags, tokenizer_flags, data_flags, runtime_flags):
    flags.adopt_module_key_flags(group, flag_values)
  flags.DEFINE_string(
    "input_file",
    None,
    "UTF-8 text, a text a line, a pair as `A ||| B`; - for standard input. With "
    "--text_columns a .csv, .tsv, .jsonl or .json file.",
    flag_values,
  )
  flags.DEFINE_list(
    "text_columns",
    None,
    "One or two columns of the input file. In a .csv or .tsv file of one column an empty "
    "line is an empty text.",
    flag_values,
  )
  flags.DEFINE_string(
    "output_file",
    None,
    "Where the vectors go: .npy, .npz, .tsv (for TensorBoard's projector, with "
    ".metadata.tsv beside it), or JSON lines. Where an earlier run was interrupted, the "
    "same command goes on.",
    flag_values,
  )
  flags.DEFINE_list(
    "layers",
    _ORIGINALS_LAYERS,
    "Layers of the encoder, 0 for the first, -1 for the last; with a --pooling -1 is "
    "the default.",
    flag_values,
  )
  flags.DEFINE_integer(
    "batch_size", 32, "Texts at once.", lower_bound=1, flag_values=flag_values
  )
  flags.DEFINE_bool(
    "use_one_hot_embeddings",
    False,
    "Look words up by a matrix product, for TPUs.",
    flag_values,
  )
  _define_vector_flags(flag_values)


def _define_vector_flags(flag_values):
  flags.DEFINE_enum(
    "pooling",
    "none",
    ["none", "cls", "mean", "max", "pooler"],
    "none: a vector for each piece. mean, max: over all pieces of a text, [CLS] and "
    "[SEP] included. cls: the vector of [CLS]. pooler: the layer that was pre-trained "
    "upon it.",
    flag_values,
  )
  flags.DEFINE_enum(
    "layer_combination",
    "concat",
    ["concat", "mean"],
    "Several layers: one after the other, or their mean.",
    flag_values,
  )
  flags.DEFINE_bool(
    "normalize", False, "Divide each vector by its length.", flag_values
  )
  flags.DEFINE_enum(
    "long_text",
    "truncate",
    ["truncate", "windows"],
    "Texts of more than --max_seq_length: cut the end off, or take the mean of the "
    "vectors of windows side by side, weighted by their pieces (with --pooling=max the "
    "largest numbers). Pairs are always cut.",
    flag_values,
  )


def main(_):
  """Reads texts, writes their vectors."""
  command_line.require(FLAGS, "input_file", "output_file")
  from bert_ja import table_files
  from bert_ja.data import text_rows
  from bert_ja.encoding import vector_writers

  columns, layers = FLAGS.text_columns, read_layers()
  vector_writers.check_targets(FLAGS.output_file, FLAGS.input_file)
  if not columns and table_files.is_table(FLAGS.input_file):
    logging.warning(
      "--input_file: %s is read as lines of text, a header too; name columns with "
      "--text_columns",
      FLAGS.input_file,
    )
  total = None
  if not text_rows.is_read_once(FLAGS.input_file):
    # All is read once before the work: a fault in the last line is told at once.
    total = sum(1 for _ in text_rows.read(FLAGS.input_file, columns))
  command_line.import_tensorflow()
  from bert_ja.encoding import extraction, vectors

  model = create_model()
  options = vectors.Options(
    pooling=FLAGS.pooling,
    layers=layers,
    layer_combination=FLAGS.layer_combination,
    normalize=FLAGS.normalize,
    long_text=FLAGS.long_text,
    max_seq_length=FLAGS.max_seq_length,
    batch_size=FLAGS.batch_size,
  )
  texts = text_rows.read(FLAGS.input_file, columns)
  count = extraction.extract(model, texts, options, FLAGS.output_file, total)
  logging.info("Wrote %s: vectors of %d texts", FLAGS.output_file, count)


def read_layers():
  """Numbers of the layers.

  Raises:
    ValueError: one is no whole number.
  """
  names = FLAGS.layers
  if FLAGS.pooling != "none" and not FLAGS["layers"].present:
    names = ["-1"]
  try:
    return tuple(map(int, names))
  except ValueError:
    raise ValueError(
      f"--layers={','.join(names)}: expected whole numbers with commas between, such as "
      "-1,-2"
    ) from None


def create_model():
  """The `vectors.VectorModel` that the flags ask for.

  Raises:
    ValueError: there is no model, or its parts do not fit together.
  """
  from bert_ja import distribution
  from bert_ja.encoding import vectors

  files = model_flags.find(FLAGS)
  if not files.init_checkpoint:
    raise ValueError(
      f"{files.directory or 'the model'} holds no weights; give --init_checkpoint, or "
      "--model_dir with a pre-trained model"
    )
  if distribution.num_workers() > 1:
    raise ValueError(
      "TF_CONFIG names several workers, each of which would write the output; unset it, "
      "and give each machine a part of the input"
    )
  _, config, tokenizer = tokenizer_flags.read_model(files, FLAGS, FLAGS.max_seq_length)
  runtime = runtime_flags.read(FLAGS)
  paths = {
    name: getattr(files, name)
    for name in ("init_checkpoint", "vocab_file", "model_file")
  }
  distribution.check_paths(runtime, paths)
  return vectors.VectorModel(
    config,
    files.init_checkpoint,
    tokenizer,
    FLAGS.precision,
    distribution.create_strategy(runtime),
    FLAGS.use_one_hot_embeddings,
  )


if __name__ == "__main__":
  define_flags()
  command_line.run(main)
