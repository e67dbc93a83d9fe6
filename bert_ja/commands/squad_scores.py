"""Score predictions of a SQuAD file as the official evaluators do."""

import json
from collections.abc import Sequence

from absl import flags

from bert_ja import text_io
from bert_ja.flags import command_line

FLAGS = flags.FLAGS


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags of this command."""
  flags.DEFINE_string(
    "dataset_file",
    None,
    "Questions with right answers: a JSON file in the form of SQuAD, or a pattern such "
    "as 'dev/*.json' for several.",
    flag_values=flag_values,
  )
  flags.DEFINE_string(
    "prediction_file",
    None,
    "A JSON object of question id and answer: predictions.json of run_squad.py.",
    flag_values=flag_values,
  )
  flags.DEFINE_string(
    "null_odds_file",
    None,
    "A JSON object of question id and number, higher where no answer is likelier: "
    "null_odds.json of run_squad.py. Only for files with unanswerable questions.",
    flag_values=flag_values,
  )
  flags.DEFINE_float(
    "no_answer_threshold",
    1.0,
    "Questions with higher odds count as answered with nothing.",
    flag_values=flag_values,
  )
  flags.DEFINE_bool(
    "version_2_with_negative",
    None,
    "Score as the evaluator of SQuAD 2.0 does, or as that of 1.1; by default as 2.0 "
    "where a question is marked is_impossible or has no answer.",
    flag_values=flag_values,
  )
  flags.DEFINE_string(
    "output_dir",
    None,
    "Where scores by question and by threshold go, besides the results; created if "
    "missing. By default only the results are printed.",
    flag_values=flag_values,
  )


def main(argv: Sequence[str]) -> None:
  """Prints the results as JSON."""
  del argv
  from bert_ja.tasks import squad, squad_scores

  command_line.require(FLAGS, "dataset_file", "prediction_file")
  examples = squad.read_squad_examples(FLAGS.dataset_file)
  version_2 = FLAGS.version_2_with_negative
  if version_2 is None:
    version_2 = any(e.is_impossible or not e.answers for e in examples)
  if FLAGS.null_odds_file and not version_2:
    raise ValueError(
      f"--null_odds_file is for files with unanswerable questions, {FLAGS.dataset_file} "
      "has none; leave it out, or add --version_2_with_negative"
    )
  scores = squad_scores.score_questions(
    examples,
    read_predictions(FLAGS.prediction_file),
    read_null_odds(FLAGS.null_odds_file) if FLAGS.null_odds_file else None,
    version_2,
    FLAGS.no_answer_threshold,
  )
  if FLAGS.output_dir:
    squad_scores.write_scores(FLAGS.output_dir, scores)
  print(json.dumps(squad_scores.summarize(scores), indent=2))


def read_predictions(path: str) -> dict[str, str]:
  """Reads {question id: answer}.

  Raises:
    FileNotFoundError: the path does not exist.
    ValueError: not an object of texts.
  """
  return _read_object(path, (str,), "a text", "predictions.json")


def read_null_odds(path: str) -> dict[str, float]:
  """Reads {question id: odds that there is no answer}.

  Raises:
    FileNotFoundError: the path does not exist.
    ValueError: not an object of numbers.
  """
  return _read_object(path, (int, float), "a number", "null_odds.json")


def _read_object(path, kinds, name, usual):
  value = text_io.read_json(path)
  if not isinstance(value, dict):
    raise ValueError(
      f"{path}: expected an object of question ids, found {type(value).__name__}; give "
      f"a file like {usual} of run_squad.py"
    )
  for key, item in value.items():
    if type(item) not in kinds:
      raise ValueError(
        f"{path}, {key!r}: expected {name}, found {type(item).__name__}; give a file "
        f"like {usual} of run_squad.py"
      )
  return value


if __name__ == "__main__":
  define_flags()
  command_line.run(main)
