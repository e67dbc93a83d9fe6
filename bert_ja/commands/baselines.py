"""Train and score simple learners that a model has to beat.

    bert-ja baselines --task_name=livedoor --data_dir=livedoor --output_dir=out/baselines

The data are those of run_classifier.py, and so are the files of each baseline's folder.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from bert_ja import front_ends
from bert_ja.flags import (
  command_line,
  data_flags,
  model_flags,
  task_flags,
  training_flags,
)
from bert_ja.ja import normalization

FLAGS = flags.FLAGS

# For each kind of task: baseline -> the flag that it needs. The library has the names
# too, and loading it would make --help slow.
_NEEDS = {
  "sentence": {
    "majority": None,
    "tfidf_logistic": None,
    "tfidf_boosting": None,
    "encoder_logistic": "model_dir",
    "vectors_logistic": "vectors_file",
    "vectors_mlp": "vectors_file",
    "vectors_boosting": "vectors_file",
  },
  "choice": {"majority": None, "tfidf_cosine": None, "tfidf_logistic": None},
  "regression": {"mean": None, "tfidf_cosine": None, "tfidf_ridge": None},
}


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags of this command."""
  task_flags.define(flag_values)
  model_flags.define(flag_values, only=("model_dir", "output_dir"))
  data_flags.define(flag_values, only=("max_seq_length",))
  training_flags.define(flag_values, only=("seed",))
  flags.DEFINE_list(
    "baselines",
    None,
    "By default all for which there is input. For classes some of "
    f"{', '.join(_NEEDS['sentence'])}: encoder_logistic takes the vectors of "
    "--model_dir, vectors_... those of --vectors_file. For multiple choice "
    f"{', '.join(_NEEDS['choice'])}; for numbers {', '.join(_NEEDS['regression'])}, the "
    "second if rows have two texts.",
    flag_values,
  )
  flags.DEFINE_list(
    "score_sets",
    "dev,test",
    "Which sets are scored, as far as they are there with labels.",
    flag_values,
  )
  flags.DEFINE_enum(
    "tokenizer",
    "tohoku",
    [n for n, way in front_ends.FRONT_ENDS.items() if way.pieces != "sentencepiece"],
    "Words for TF-IDF: tohoku's are NFKC and MeCab's, google's fit Western languages. "
    "The model of --model_dir keeps its own.",
    flag_values,
  )
  flags.DEFINE_enum(
    "tfidf_units",
    "words",
    ["words", "characters"],
    "What TF-IDF counts: words of --tokenizer, or characters (NFKC, lower case).",
    flag_values,
  )
  flags.DEFINE_list(
    "tfidf_ngrams",
    "1,1",
    "TF-IDF: the fewest and the most neighbouring units that count together; 1,3 is "
    "good for characters.",
    flag_values,
  )
  flags.register_validator(
    "tfidf_ngrams",
    _are_sizes,
    "expected two whole numbers from 1 on, the larger one last, such as 1,3",
    flag_values,
  )
  flags.DEFINE_integer(
    "max_features",
    None,
    "TF-IDF: the most frequent words (or what else it counts) of the train set; by "
    "default 750 for gradient boosting, all for the others.",
    1,
    flag_values=flag_values,
  )
  flags.DEFINE_list(
    "inverse_penalties",
    "0.01,0.1,1,10,100",
    "C of logistic regressions and 1/alpha of ridge regressions; of several values the "
    "best in cross-validation on the train set.",
    flag_values,
  )
  flags.register_validator(
    "inverse_penalties",
    _are_penalties,
    "expected numbers above 0, such as 0.1,1,10",
    flag_values,
  )
  flags.DEFINE_integer(
    "num_estimators",
    200,
    "Rounds of gradient boosting, each with a tree a label.",
    1,
    flag_values=flag_values,
  )
  flags.DEFINE_enum(
    "pooling",
    "mean",
    ["cls", "mean", "max", "pooler"],
    "encoder_logistic: how a text's vectors become one.",
    flag_values,
  )
  flags.DEFINE_list(
    "vectors_file",
    None,
    "vectors_...: .npy files with a vector for each row, of train, dev and test "
    "(without the sets that are not scored), such as train.npy,dev.npy,test.npy.",
    flag_values,
  )


def main(argv: Sequence[str]) -> None:
  """Reads the data, trains, writes the results and shows the summary."""
  del argv
  command_line.require(FLAGS, "task_name", "data_dir", "output_dir")
  from bert_ja.baselines import baseline_runs

  data = read(task_flags.get_processor(None, FLAGS), FLAGS)
  names = choose(data, FLAGS)
  inputs = baseline_runs.Inputs(
    words=units() if _any(names, "tfidf") else None,
    encode=create_encoder().encode if _any(names, "encoder") else None,
    vectors=read_vectors(names, data, FLAGS),
  )
  options = baseline_runs.Options(
    FLAGS.max_features,
    FLAGS.num_estimators,
    FLAGS.seed,
    inverse_penalties=tuple(map(float, FLAGS.inverse_penalties)),
    ngrams=tuple(map(int, FLAGS.tfidf_ngrams)),
  )
  results = baseline_runs.run(names, data, inputs, options, FLAGS.output_dir)
  print(baseline_runs.summary_table(results), end="", flush=True)


def read(processor: Any, flag_values: flags.FlagValues) -> Any:
  """The rows to train on and those to score, as `baseline_data.Data`.

  Args:
    processor: the task's `DataProcessor`.
    flag_values: parsed flags of this command.

  Raises:
    FileNotFoundError: the train set or a file that is named is missing.
    ValueError: a name of --score_sets has no meaning; or see `baseline_data.read`.
  """
  from bert_ja.baselines import baseline_data

  scored, known = flag_values.score_sets, baseline_data.SCORED
  if not scored or not set(scored) <= set(known):
    raise ValueError(
      f"--score_sets={','.join(scored)}: expected {known[0]}, {known[1]} or both"
    )
  given = [split for split in scored if flag_values[f"{split}_file"].value]
  return baseline_data.read(processor, flag_values.data_dir, given, scored)


def read_vectors(names: Sequence[str], data: Any, flag_values: flags.FlagValues) -> Any:
  """`baseline_data.read_vectors` of --vectors_file; None if no baseline takes them."""
  from bert_ja.baselines import baseline_data

  if not _any(names, "vectors"):
    return None
  return baseline_data.read_vectors(flag_values.vectors_file, data)


def choose(data: Any, flag_values: flags.FlagValues) -> list[str]:
  """The baselines to train.

  Args:
    data: the `baseline_data.Data` of the task.
    flag_values: parsed flags of this command.

  Raises:
    ValueError: one is not known, is named twice or lacks its input; or input is given
      for one that is not named.
  """
  needs = _NEEDS[data.kind_name]
  lacking = [
    name for name, flag in needs.items() if flag and not flag_values[flag].value
  ]
  names = flag_values.baselines or [
    name
    for name in needs
    if name not in lacking and (name != "tfidf_cosine" or data.are_pairs)
  ]
  for place, name in enumerate(names):
    if name not in needs or name in names[:place]:
      fault = "is named twice" if name in needs else "is not known"
      raise ValueError(
        f"--baselines: {name!r} {fault}; expected some of {', '.join(needs)}"
      )
    if name in lacking:
      raise ValueError(f"--baselines: {name} needs --{needs[name]}")
  for flag in ("model_dir", "vectors_file"):
    users = [name for name, needed in needs.items() if needed == flag]
    if flag == "model_dir" and flag_values.drop_longer:
      continue  # its pieces are counted
    if flag_values[flag].value and not set(users) & set(names):
      raise ValueError(
        f"--{flag} is for {' or '.join(users)}, of which --baselines={','.join(names)} "
        "names none; name one there or leave the flag out"
        if users
        else f"--{flag}: no baseline of this kind of task ({data.kind_name}) takes it; "
        "leave the flag out"
      )
  return list(names)


def units() -> Callable[[str], Sequence[str]]:
  """A function: text -> what TF-IDF counts in it."""
  if FLAGS.tfidf_units == "words":
    return front_ends.words_of(FLAGS.tokenizer)
  normalize = normalization.Nfkc()
  return lambda text: normalize(text).lower()


def create_encoder() -> Any:
  """The `encoder.Encoder` that the flags ask for.

  Raises:
    ValueError: there is no such model.
  """
  from bert_ja import model_files

  # What is missing is told before TensorFlow starts, and before other baselines train.
  model_files.find(FLAGS.model_dir, weights=False)
  command_line.import_tensorflow()
  from bert_ja.encoding import encoder

  length = FLAGS.max_seq_length if FLAGS["max_seq_length"].present else None
  return encoder.Encoder(FLAGS.model_dir, pooling=FLAGS.pooling, max_seq_length=length)


def _any(names, prefix):
  return any(name.startswith(prefix) for name in names)


def _are_sizes(values):
  return all(value.isdecimal() for value in values) and (
    len(values) == 2 and 1 <= int(values[0]) <= int(values[1])
  )


def _are_penalties(values):
  try:
    return bool(values) and all(0 < float(value) < math.inf for value in values)
  except ValueError:
    return False


if __name__ == "__main__":
  define_flags()
  command_line.run(main)
