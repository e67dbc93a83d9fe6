"""Show the best fillers for [MASK] in sentences.

    bert-ja fill-mask --model_dir=MODEL '彼は[MASK]で働く。'

Several masks of a sentence are filled one by one, with the others masked.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from absl import flags

from bert_ja.flags import command_line, model_flags, tokenizer_flags

FLAGS = flags.FLAGS

# Words that are no flags are sentences.
TAKES_ARGUMENTS = True

_DEFAULT_LENGTH = 128


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags of this command."""
  names = ("model_dir", "bert_config_file", "init_checkpoint")
  model_flags.define(flag_values, only=names)
  tokenizer_flags.define(flag_values)
  flags.DEFINE_string(
    "input_file",
    None,
    "UTF-8 text, a sentence a line; without it and without sentences in the command, "
    "standard input.",
    flag_values,
  )
  flags.DEFINE_string(
    "output_file",
    None,
    "Write JSON lines to this file, an object a sentence, in place of tables.",
    flag_values,
  )
  flags.DEFINE_integer(
    "top_k", 5, "Fillers of a mask.", lower_bound=1, flag_values=flag_values
  )
  flags.DEFINE_integer(
    "max_seq_length",
    None,
    "Pieces around the masks that the model sees, [CLS] and [SEP] included; "
    f"{_DEFAULT_LENGTH} by default, or what the model has.",
    lower_bound=3,
    flag_values=flag_values,
  )
  # Flags may stand behind sentences.
  flag_values.set_gnu_getopt()


def main(argv: Sequence[str]) -> None:
  """Reads sentences, shows what fills their masks."""
  sentences, place = read_sentences(argv[1:])
  command_line.import_tensorflow()
  # One at a time for a person who types.
  together = 1 if sys.stdin.isatty() else 256
  results = create_filler().fill(sentences, FLAGS.top_k, place, together)
  if not FLAGS.output_file:
    for result in results:
      print(describe_table(result), flush=True)
    return
  from bert_ja import text_io

  with text_io.written_whole(FLAGS.output_file) as writer:
    for result in results:
      writer.write(describe_json(result) + "\n")


def read_sentences(arguments: Sequence[str]) -> tuple[Iterator[str], str]:
  """(sentences, what messages put before the number of one).

  Raises:
    ValueError: there are sentences and a file.
  """
  from bert_ja import text_io

  if arguments and FLAGS.input_file:
    raise ValueError(
      f"--input_file={FLAGS.input_file} and the sentence {arguments[0]!r} exclude each "
      "other; leave one out"
    )
  if arguments:
    return iter(arguments), "sentence "
  if FLAGS.input_file:
    return text_io.stream_lines(FLAGS.input_file), f"{FLAGS.input_file}, line "
  name = "standard input"
  return text_io.decoded_lines(sys.stdin.buffer, name), f"{name}, line "


def create_filler() -> Any:
  """The `mask_filling.MaskFiller` that the flags ask for.

  Raises:
    ValueError: there is no model, or it cannot fill in masks.
  """
  from bert_ja import mask_filling

  files = model_flags.find(FLAGS)
  if not files.init_checkpoint:
    raise ValueError(
      f"{files.directory or 'the model'} holds no weights; give --model_dir with a "
      "pre-trained model, or --init_checkpoint"
    )
  length = FLAGS.max_seq_length
  _, config, tokenizer = tokenizer_flags.read_model(files, FLAGS, length)
  length = length or min(_DEFAULT_LENGTH, config.max_position_embeddings)
  model = mask_filling.load_model(config, files.init_checkpoint)
  return mask_filling.MaskFiller(model, tokenizer, length)


def describe_table(result: Any) -> str:
  """A table of a sentence's fillers; which mask is told only where there are several."""
  from bert_ja import reporting

  rows = [
    (number, rank, filler.piece, filler.probability, filler.text)
    for number, fillers in enumerate(result.masks, 1)
    for rank, filler in enumerate(fillers, 1)
  ]
  headers = ("mask", "rank", "piece", "probability", "sentence")
  first = 0 if len(result.masks) > 1 else 1
  return reporting.format_table([row[first:] for row in rows], headers[first:])


def describe_json(result: Any) -> str:
  """A JSON object: the text, and for each mask its fillers."""
  masks = [
    [
      {
        "piece": filler.piece,
        "probability": filler.probability,
        "sentence": filler.text,
      }
      for filler in fillers
    ]
    for fillers in result.masks
  ]
  return json.dumps({"text": result.text, "masks": masks}, ensure_ascii=False)


if __name__ == "__main__":
  define_flags()
  command_line.run(main)
