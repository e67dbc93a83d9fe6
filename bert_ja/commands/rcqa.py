"""Make SQuAD 2.0 files, plain or pre-tokenized, from the RCQA answerability data."""

from collections.abc import Mapping, Sequence

from absl import flags

from bert_ja import reporting
from bert_ja.flags import command_line
from bert_ja.tasks import rcqa

FLAGS = flags.FLAGS


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags of this command."""
  flags.DEFINE_string(
    "input_file",
    None,
    "The data as published, all-v1.0.json.gz, or the same without compression.",
    flag_values,
  )
  flags.DEFINE_string(
    "output_dir",
    None,
    "Where dataset_train/ and dataset_eval/ go; created if missing.",
    flag_values,
  )
  flags.DEFINE_list(
    "suffixes",
    ["text"],
    "How texts are written, with commas between: text (as they are), or with a space "
    "between words: jumandic, jumanpp, ipadic, bert-wiki-ja, hottoSNS-bert.",
    flag_values=flag_values,
  )
  flags.DEFINE_list(
    "model_file",
    [],
    "SentencePiece models of bert-wiki-ja and hottoSNS-bert, one for each that is in "
    "--suffixes, in the same order.",
    flag_values=flag_values,
  )


def main(argv: Sequence[str]) -> None:
  """Writes the files of all suffixes, then prints what they hold."""
  del argv
  command_line.require(FLAGS, "input_file", "output_dir")
  # All of them first, so that a missing analyser is told before the work.
  forms = [
    rcqa.create_form(suffix, model_file)
    for suffix, model_file in models_by_suffix(FLAGS.suffixes, FLAGS.model_file).items()
  ]
  questions, without_documents = rcqa.read_questions(FLAGS.input_file)
  rows = []
  for form in forms:
    with reporting.Progress(len(questions), "question", form.suffix) as progress:
      counts = rcqa.convert(
        questions, form, FLAGS.output_dir, lambda *_, bar=progress: bar.update()
      )
    paths = rcqa.output_files(FLAGS.output_dir, form.suffix)
    rows += [(paths[split], *_numbers(counts[split])) for split in rcqa.SPLITS]
  headers = ("file", "documents", "answerable", "answer found", "not found")
  print(reporting.format_table(rows, headers), end="")
  print(f"questions without documents, left out: {without_documents}")


def _numbers(counts):
  return counts.documents, counts.answerable, counts.found, counts.not_found


def models_by_suffix(
  suffixes: Sequence[str], model_files: Sequence[str]
) -> Mapping[str, str | None]:
  """{suffix: its SentencePiece model or None}.

  Raises:
    ValueError: no suffix, one named twice, or another number of models than suffixes
      that need one.
  """
  if not suffixes or len(set(suffixes)) < len(suffixes):
    raise ValueError(
      f"--suffixes={','.join(suffixes)}: expected some of {', '.join(rcqa.SUFFIXES)}, "
      "each once"
    )
  with_model = [suffix for suffix in suffixes if suffix in rcqa.SENTENCE_PIECE_SUFFIXES]
  if len(with_model) != len(model_files):
    raise ValueError(
      f"--model_file: expected {len(with_model)} SentencePiece models, one for each of "
      f"the suffixes {', '.join(with_model) or '(none)'}, found {len(model_files)}"
    )
  return dict.fromkeys(suffixes) | dict(zip(with_model, model_files, strict=True))
