"""Make text for pre-training, a sentence a line, from Wikipedia, Aozora and others."""

import functools
import os
from collections.abc import Iterator, Sequence

from absl import flags, logging

from bert_ja import corpora, input_files, reporting, text_io
from bert_ja.flags import command_line
from bert_ja.ja import normalization, sentences

FLAGS = flags.FLAGS

_READERS = {
  "wikipedia": corpora.read_wikipedia,
  "aozora": corpora.read_aozora,
  "folder": corpora.read_folder,
  "jsonl": corpora.read_json_lines,
  "table": corpora.read_table,
  "text": corpora.read_text,
  "squad": corpora.read_squad,
}
_WITH_FIELD = ("jsonl", "table")
_WITH_NAMES = ("wikipedia", "aozora", "folder", "squad")
_RULES = {
  "brackets": sentences.split,
  "full_stop": sentences.split_at_full_stops,
}


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags of this command."""
  _define_files(flag_values)
  _define_text(flag_values)


def _define_files(flag_values):
  flags.DEFINE_enum(
    "format",
    None,
    list(_READERS),
    "wikipedia: WikiExtractor's output; aozora: Aozora Bunko's texts; folder: a document "
    "a file; jsonl: a JSON object a line; table: TSV or CSV; text: as it is, with blank "
    "lines between documents; squad: contexts of questions.",
    flag_values,
  )
  flags.DEFINE_list(
    "input",
    None,
    "Files, directories or globs, with commas between them; aozora and folder take tar "
    "and zip archives too.",
    flag_values=flag_values,
  )
  flags.DEFINE_string(
    "output_file",
    None,
    "Text, one sentence a line, a blank line behind each document.",
    flag_values,
  )
  flags.DEFINE_integer(
    "num_files",
    1,
    "Deal the documents out to so many files: NAME-00000-of-00004.txt and so on.",
    1,
    flag_values=flag_values,
  )


def _define_text(flag_values):
  """What of a corpus becomes text, and how."""
  flags.DEFINE_string(
    "text_field", "text", "jsonl and table: where a document's text is.", flag_values
  )
  flags.DEFINE_enum(
    "sentence_end",
    "full_stop",
    list(_RULES),
    "wikipedia: end sentences at each 。 that no bracket follows, as for the published "
    "model, or as in the other formats, with marks and brackets known.",
    flag_values,
  )
  flags.DEFINE_bool(
    "lower_case",
    None,
    "Write small letters; by default only for wikipedia, as for the published model.",
    flag_values,
  )
  flags.DEFINE_enum(
    "normalize", "none", ["none", "nfkc"], "Normalization of sentences.", flag_values
  )
  flags.DEFINE_integer(
    "min_characters",
    1,
    "Leave out documents with fewer characters.",
    1,
    flag_values=flag_values,
  )
  flags.DEFINE_string(
    "exclude_file",
    None,
    "Names of documents to leave out, one a line: file names (aozora, folder) or titles "
    "(wikipedia, squad).",
    flag_values,
  )


def main(argv: Sequence[str]) -> None:
  """Reads, writes, prints what was written."""
  del argv
  command_line.require(FLAGS, "format", "input", "output_file")
  check_flags()
  reader = _reader()
  chosen = corpora.Filter(_normalization(), FLAGS.min_characters, _excluded())
  inputs = input_files.paths_of(FLAGS.input)
  paths = text_io.numbered(FLAGS.output_file, FLAGS.num_files)
  check_outputs(paths, inputs)
  documents = reader(inputs)
  text_io.makedirs(os.path.dirname(FLAGS.output_file) or ".")
  counts = corpora.write(_with_progress(chosen(documents)), paths)
  _tell_left_out(chosen)
  print(describe(paths, counts), end="")


def check_flags() -> None:
  """Checks that no flag is given that would be without effect.

  Raises:
    ValueError: there is one.
  """
  uses = {
    "text_field": _WITH_FIELD,
    "exclude_file": _WITH_NAMES,
    "sentence_end": ("wikipedia",),
  }
  for name, formats in uses.items():
    if FLAGS[name].present and FLAGS.format not in formats:
      raise ValueError(
        f"--{name} means nothing to --format={FLAGS.format}, only to "
        f"{', '.join(formats)}; leave it out"
      )


def check_outputs(outputs: Sequence[str], inputs: Sequence[str]) -> None:
  """Refuses to write what would be read.

  Raises:
    ValueError: an output is an input, or in a directory that is.
  """
  for given in outputs:
    output = text_io.absolute(given)
    for path in map(text_io.absolute, inputs):
      if output == path or output.startswith(os.path.join(path, "")):
        raise ValueError(
          f"--output_file: {given} is among what --input={path} reads; write elsewhere"
        )


def _reader():
  reader = _READERS[FLAGS.format]
  if FLAGS.format in _WITH_FIELD:
    return functools.partial(reader, text_field=FLAGS.text_field)
  if FLAGS.format == "wikipedia":
    return functools.partial(reader, split=_RULES[FLAGS.sentence_end])
  return reader


def _normalization():
  lower = FLAGS.lower_case
  if lower is None:
    lower = FLAGS.format == "wikipedia"
  steps = [normalization.Nfkc()] if FLAGS.normalize == "nfkc" else []
  return normalization.Chain(steps + [normalization.LowerCase()] * lower)


def _excluded():
  if FLAGS.exclude_file is None:
    return []
  return list(filter(None, map(str.strip, text_io.read_lines(FLAGS.exclude_file))))


def _with_progress(
  documents: Iterator[corpora.Document],
) -> Iterator[corpora.Document]:
  count = 0
  with reporting.Progress(None, "document", "corpus") as progress:
    for document in documents:
      yield document
      count += len(document.sentences)
      progress.update(1, sentences=count)


def _tell_left_out(chosen):
  if chosen.num_excluded or chosen.num_short:
    logging.info(
      "Left out: %d documents by name, %d with fewer than %d characters",
      chosen.num_excluded,
      chosen.num_short,
      FLAGS.min_characters,
    )
  if chosen.unmet:
    logging.warning(
      "%s: %d of the names are of no document, such as %r",
      FLAGS.exclude_file,
      len(chosen.unmet),
      min(chosen.unmet),
    )


def describe(paths: Sequence[str], counts: Sequence[corpora.Count]) -> str:
  """A table of what each file holds, and of the sums if there are several."""
  rows = [
    (path, *(f"{number:,}" for number in count))
    for path, count in zip(paths, counts, strict=True)
  ]
  if len(rows) > 1:
    sums = map(sum, zip(*counts, strict=True))
    rows.append(("(sum)", *(f"{number:,}" for number in sums)))
  return reporting.format_table(rows, ("file", *corpora.Count._fields))


if __name__ == "__main__":
  define_flags()
  command_line.run(main)
