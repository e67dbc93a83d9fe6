"""Write one HTML page about a run: settings, curves, scores, hardest examples.

    bert-ja report OUTPUT_DIR

OUTPUT_DIR is the --output_dir of run_classifier.py, run_squad.py or run_pretraining.py.
"""

import os
from collections.abc import Sequence

from absl import flags, logging

from bert_ja.flags import command_line

FLAGS = flags.FLAGS

# The word that is no flag is the directory.
TAKES_ARGUMENTS = True


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags of this command."""
  flags.DEFINE_string(
    "output_file",
    None,
    "The page; by default report.html in the directory.",
    flag_values,
  )
  flags.DEFINE_integer(
    "num_examples",
    20,
    "Most examples of each set, the hardest first; 0 for none.",
    lower_bound=0,
    flag_values=flag_values,
  )
  flags.DEFINE_string(
    "predict_file",
    None,
    "The questions that run_squad.py answered, where they are no longer in the file "
    "that it was given.",
    flag_values,
  )
  # Flags may stand behind the directory.
  flag_values.set_gnu_getopt()


def main(argv: Sequence[str]) -> None:
  """Writes the page."""
  if len(argv) != 2:
    given = " ".join(argv[1:]) or "nothing"
    raise ValueError(
      f"expected one directory, the --output_dir of a run, found {given}; write "
      "bert-ja report OUTPUT_DIR"
    )
  directory = argv[1]
  from bert_ja import text_io
  from bert_ja.reports import report_files, report_page

  if text_io.is_remote(directory) or report_files.has_checkpoint(directory):
    command_line.import_tensorflow()
  run = report_files.read_run(directory, FLAGS.num_examples, FLAGS.predict_file)
  path = FLAGS.output_file or os.path.join(directory, "report.html")
  text_io.write_text(path, report_page.render(run))
  for note in run.notes:
    logging.warning("%s", note)
  logging.info("Wrote %s", path)


if __name__ == "__main__":
  define_flags()
  command_line.run(main)
