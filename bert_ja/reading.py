"""Reading: choose the paragraph that answers a question, then the answer in it.

Two models, which run_classifier.py (multiple choice) and run_squad.py train: their data
are made here, and their results put together. Each run is a program of its own, so that
one that was interrupted goes on where it was.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from absl import logging

from bert_ja import (
  model_files,
  reporting,
  run_queue,
  run_state,
  table_files,
  text_io,
)
from bert_ja.tasks import reading_data, squad_scores

# What a run that does not train leaves aside of flags that it shares with one that does.
_NOT_OF_ANSWERING = (
  "--init_checkpoint=",
  "--norandom_init",
  "--nouse_best",
  "--eval_steps=0",
  "--early_stopping_patience=0",
)


@dataclasses.dataclass(frozen=True)
class Options:
  """How paragraphs are drawn.

  Attributes:
    num_choices: of a training row, the right one included.
    max_candidates: paragraphs that a question is asked of, see
      `reading_data.candidates`.
    seed: of the samples.
  """

  num_choices: int = 4
  max_candidates: int = 0
  seed: int = 12345


@dataclasses.dataclass(frozen=True)
class Stage:
  """How one of the scripts is started.

  Attributes:
    program: an interpreter and the script.
    arguments: flags of the user.
    use_best: whether they say that the best checkpoint answers, not the newest.
  """

  program: tuple[str, ...]
  arguments: tuple[str, ...]
  use_best: bool = False


class Pipeline:
  """Both stages on one set of questions.

  Files, below the output directory: `select/` and `span/`, the two models; `data/`, what
  they are trained on; `predictions.json`, {id: answer}; `results.json`.
  """

  def __init__(
    self,
    train: reading_data.ReadingSet | None,
    predict: reading_data.ReadingSet,
    stages: Mapping[str, Stage],
    output_dir: str,
    options: Options = Options(),
    trained_dir: str | None = None,
  ):
    """Prepares; nothing is written yet.

    Args:
      train: answered questions; None to use the models of `trained_dir`.
      predict: questions to answer, and to score where they are answered.
      stages: "select" and "span".
      output_dir: of the results.
      options: how paragraphs are drawn.
      trained_dir: output directory of an earlier pipeline, also a remote one.

    Raises:
      ValueError: results would go where the trained models are, in their place.
    """
    if trained_dir and os.path.realpath(trained_dir) == os.path.realpath(output_dir):
      raise ValueError(
        f"--trained_dir={trained_dir} is --output_dir too, whose models would be set "
        "aside; give the results a directory of their own"
      )
    self._train, self._predict, self._stages = train, predict, stages
    self._output_dir, self._options = os.path.abspath(output_dir), options
    self._models_dir = text_io.absolute(trained_dir or output_dir)
    self._candidates = reading_data.candidates(
      predict, options.max_candidates, options.seed
    )
    sets = [predict.digest()] + ([train.digest()] if train else [])
    models = [self._trained_state()] if trained_dir else []
    digest = predict.digest(sets, options, *models)
    # Other data, or models, have other paths: earlier runs are not taken for these.
    self._data_dir = os.path.join(self._output_dir, "data", digest)

  # --- Runs ---------------------------------------------------------------------------

  def run(self, options: run_queue.Options) -> dict[str, Any]:
    """Trains, chooses, answers and scores.

    Args:
      options: how programs are run.

    Returns:
      What results.json holds.

    Raises:
      ValueError: a run failed; the same call goes on with it.
    """
    self._write_data()
    runs = [self._select_run()]
    if self._train or self._predict.is_answered:
      runs.append(self._span_run())
    self._finish(runs, options)
    chosen = reading_data.best(self._candidates, self._scores())
    self._finish([self._answer_run(chosen)], options)
    answers = text_io.read_json(self._path("span", "answers", "predictions.json"))
    predictions = {q.qas_id: answers[q.qas_id] for q in self._predict.questions}
    text_io.write_json(self._path("predictions.json"), predictions)
    results = self._results(chosen, predictions)
    text_io.write_json(self._path("results.json"), results)
    return results

  def _path(self, *names):
    return os.path.join(self._output_dir, *names)

  def _data(self, name):
    return os.path.join(self._data_dir, name)

  def _run(self, name, stage, result, *arguments):
    directory = self._path(*name.split("/"))
    return run_state.Run(
      name,
      self._stages[stage].program,
      (
        *self._stages[stage].arguments,
        *arguments,
        f"--output_dir={directory}",
      ),
      directory,
      os.path.join(directory, result),
    )

  def _trained(self, stage):
    """Flags of a run without training."""
    return *_NOT_OF_ANSWERING, f"--model_dir={self._model_dir(stage)}"

  def _model_dir(self, stage):
    best = ["best"] * self._stages[stage].use_best
    return os.path.join(self._models_dir, stage, *best)

  def _trained_state(self):
    """What tells models from those of another training in the same place."""
    found = []
    for stage in self._stages:
      directory = self._model_dir(stage)
      for name in text_io.listdir(directory) if text_io.isdir(directory) else ():
        # An index has the checksums of all variables.
        if name == model_files.TASK_NAME or name.endswith(".index"):
          with text_io.open_file(os.path.join(directory, name), "rb") as reader:
            digest = hashlib.sha256(reader.read()).hexdigest()
          found.append((stage, name, digest))
    return found

  def _select_run(self):
    arguments = [
      "--task_name=multiple_choice",
      f"--num_choices={self._options.num_choices}",
      f"--data_dir={self._data_dir}",
      "--test_file=select_test.jsonl",
      "--do_predict",
    ]
    if self._train:
      arguments += ["--train_file=select_train.jsonl", "--do_train"]
      if self._predict.is_answered:
        arguments += ["--dev_file=select_dev.jsonl", "--do_eval"]
    else:
      arguments += self._trained("select")
    return self._run("select", "select", "predictions.tsv", *arguments)

  def _span_run(self):
    """Learns answers, and finds them in the right paragraphs."""
    arguments, result = [], "task.json"
    if self._train:
      arguments += [f"--train_file={self._data('span_train.json')}", "--do_train"]
    else:
      arguments += self._trained("span")
    if self._predict.is_answered:
      arguments += [f"--predict_file={self._data('span_dev.json')}", "--do_eval"]
      result = "metrics.json"
    return self._run("span", "span", result, *arguments)

  def _answer_run(self, chosen):
    """Finds answers in the paragraphs that were chosen."""
    content = reading_data.squad_form(self._predict, chosen)
    digest = self._predict.digest(chosen)
    path = self._data(f"chosen_{digest}.json")
    text_io.write_json(path, content)
    return self._run(
      # In the directory of the model, and set aside with it.
      "span/answers",
      "span",
      "predictions.json",
      *self._trained("span"),
      f"--predict_file={path}",
      "--do_predict",
    )

  def _finish(self, runs, options):
    for run in runs:
      if run_state.state_of(run) != run_state.FINISHED:
        logging.info("%s: see %s", run.name, os.path.join(run.directory, run_state.LOG))

    def on_end(run, failure):
      logging.info("%s: %s", run.name, f"failed: {failure}" if failure else "done")

    run_queue.run_all(runs, options, on_end).check()

  # --- Data and results ---------------------------------------------------------------

  def _write_data(self):
    text_io.makedirs(self._data_dir)
    options, train, predict = self._options, self._train, self._predict
    arguments = options.num_choices, options.seed
    rows = {
      "select_test": reading_data.parted_rows(
        predict, self._candidates, options.num_choices
      )
    }
    documents = {}
    if train:
      rows["select_train"] = reading_data.sampled_rows(train, *arguments)
      documents["span_train"] = reading_data.squad_form(train, most_answers=1)
    if predict.is_answered:
      rows["select_dev"] = reading_data.sampled_rows(predict, *arguments)
      documents["span_dev"] = reading_data.squad_form(predict)
    for name, some in rows.items():
      with text_io.written_whole(self._data(f"{name}.jsonl")) as writer:
        for row in some:
          writer.write(json.dumps(row, ensure_ascii=False) + "\n")
    for name, document in documents.items():
      text_io.write_json(self._data(f"{name}.json"), document)

  def _scores(self):
    """Scores of the rows of select_test.jsonl, of as many choices as each has."""
    header, *rows = table_files.read_tsv(self._path("select", "predictions.tsv"))
    first = header.index("score_0")
    return [[float(cell) for cell in row[first:] if cell] for row in rows]

  def _results(self, chosen, predictions):
    questions = self._predict.questions
    results = {
      "count": len(questions),
      "mean_candidates": float(np.mean(list(map(len, self._candidates)))),
    }
    if not self._predict.is_answered:
      return results
    examples = reading_data.examples(self._predict)
    of_right = text_io.read_json(self._path("span", "predictions.json"))
    right = [
      question.relevant == place
      for question, place in zip(questions, chosen, strict=True)
    ]
    whole = squad_scores.evaluate(examples, predictions)
    span = squad_scores.evaluate(examples, of_right)
    return {
      **results,
      "paragraph_accuracy": 100 * float(np.mean(right)),
      "right_paragraph": span,
      **whole,
    }


def format_results(results: Mapping[str, Any]) -> str:
  """A table of scored results, a row a stage; lines, each ended by a newline."""
  names = ("exact_match", "f1", "character_f1")
  accuracy, span = results["paragraph_accuracy"], results["right_paragraph"]
  rows = [
    ("choose the paragraph", accuracy, None, None, None),
    ("answer from the right paragraph", None, *(span[name] for name in names)),
    ("both", None, *(results[name] for name in names)),
  ]
  headers = ("stage", "accuracy", "EM", "F1", "character F1")
  return reporting.format_table(rows, headers, digits=2)


def check_answered(
  reading: reading_data.ReadingSet, path: str, is_training: bool
) -> reading_data.ReadingSet:
  """The questions that can be used.

  Args:
    reading: all questions.
    path: their file, for messages.
    is_training: whether those without an answer are left out.

  Raises:
    ValueError: no question to learn; or some are answered and some are not.
  """
  answered = [question for question in reading.questions if question.is_answered]
  total = len(reading.questions)
  if is_training:
    if not answered:
      raise ValueError(
        f"{path}: none of {total} questions has a relevant paragraph and an answer to "
        "learn"
      )
    if len(answered) < total:
      logging.warning(
        "%s: %d of %d questions have no answer to learn and are left out",
        path,
        total - len(answered),
        total,
      )
    return dataclasses.replace(reading, questions=answered)
  if answered and len(answered) < total:
    first = next(q for q in reading.questions if not q.is_answered)
    raise ValueError(
      f"{first.source}: no answer is known, of other questions there is; scores need "
      "all of them"
    )
  return reading
