"""`bert-ja reading`: flags, and both stages of a tiny model on made paragraphs."""

import json
import os
import pathlib
import random
import subprocess
import sys

import pytest

from bert_ja.commands import reading

_ROOT = pathlib.Path(__file__).parents[2]
_KEYS = "赤青白黒黄紫"
_OTHERS = "山川海空林森火水木金土石"


def write_questions(directory, name, count, seed):
  """The course's form: a question's key is in its right paragraph, before the answer."""
  draw = random.Random(seed)
  contexts, questions = [], []
  for number in range(count):
    keys = draw.sample(_KEYS, 5)
    start = len(contexts)
    for key in keys:
      characters = draw.choices(_OTHERS, k=12)
      place = draw.randrange(9)
      characters[place] = key
      contexts.append("".join(characters))
    right = draw.randrange(5)
    place = contexts[start + right].index(keys[right]) + 1
    answer = {"text": contexts[start + right][place : place + 2], "start": place}
    questions.append(
      {
        "id": f"{name}-{number}",
        "question": keys[right],
        "paragraphs": list(range(start, start + 5)),
        "relevant": start + right,
        "answers": [answer],
      }
    )
  for part, value in (("context", contexts), ("questions", questions)):
    with open(f"{directory}/{name}_{part}.json", "w", encoding="utf-8") as writer:
      json.dump(value, writer, ensure_ascii=False)


def squad_form(directory, name):
  """The same as SQuAD's JSON, a document a question."""
  with open(f"{directory}/{name}_context.json", encoding="utf-8") as reader:
    contexts = json.load(reader)
  with open(f"{directory}/{name}_questions.json", encoding="utf-8") as reader:
    questions = json.load(reader)
  data = []
  for row in questions:
    paragraphs = [{"context": contexts[n], "qas": []} for n in row["paragraphs"]]
    answers = [{"text": a["text"], "answer_start": a["start"]} for a in row["answers"]]
    qa = {"id": row["id"], "question": row["question"], "answers": answers}
    paragraphs[row["paragraphs"].index(row["relevant"])]["qas"].append(qa)
    data.append({"paragraphs": paragraphs})
  with open(f"{directory}/{name}.json", "w", encoding="utf-8") as writer:
    json.dump({"data": data}, writer, ensure_ascii=False)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
  directory = tmp_path_factory.mktemp("inputs")
  for seed, (name, count) in enumerate((("train", 96), ("dev", 8))):
    write_questions(directory, name, count, seed)
    squad_form(directory, name)
  specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
  words = "\n".join([*specials, *_KEYS, *_OTHERS])
  (directory / "vocab.txt").write_text(words + "\n", "utf-8")
  config = {
    "vocab_size": 23,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 24,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
  }
  (directory / "bert_config.json").write_text(json.dumps(config))
  return directory


def run(*arguments):
  """(status, standard output, standard error)."""
  result = subprocess.run(
    [sys.executable, "-m", "bert_ja", "reading", *map(str, arguments)],
    cwd=_ROOT,
    env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    capture_output=True,
    text=True,
    check=False,
  )
  return result.returncode, result.stdout, result.stderr


def training(inputs, output_dir, **changes):
  values = {
    "train_file": inputs / "train.json",
    "predict_file": inputs / "dev.json",
    "output_dir": output_dir,
    "vocab_file": inputs / "vocab.txt",
    "bert_config_file": inputs / "bert_config.json",
    "max_seq_length": 20,
    "train_batch_size": 16,
    "learning_rate": 2e-3,
    "num_train_epochs": 2,
    "span_flags": "--doc_stride=8 --max_query_length=4 --eval_steps=6",
    **changes,
  }
  return [f"--{name}={value}" for name, value in values.items()]


@pytest.mark.slow
class TestTraining:
  def test_one_command_trains_both_and_scores(self, inputs, tmp_path):
    status, out, error = run(*training(inputs, tmp_path / "out"))
    assert status == 0, error
    results = json.loads(out)
    assert (results["count"], results["mean_candidates"]) == (8, 5)
    names = ("exact_match", "f1", "character_f1")
    found = [results["paragraph_accuracy"]]
    found += [
      part[name] for part in (results, results["right_paragraph"]) for name in names
    ]
    assert all(0 <= value <= 100 for value in found)
    predictions = json.loads((tmp_path / "out" / "predictions.json").read_text("utf-8"))
    assert list(predictions) == [f"dev-{number}" for number in range(8)]
    curve = (tmp_path / "out" / "span" / "learning_curve.csv").read_text()
    assert "eval_exact_match" in curve.splitlines()[0]
    assert "choose the paragraph" in error
    # The trained models answer the same in the other form of the questions.
    arguments = {
      "trained_dir": tmp_path / "out",
      "predict_file": inputs / "dev_questions.json",
      "context_file": inputs / "dev_context.json",
      "output_dir": tmp_path / "again",
    }
    status, out, error = run(*(f"--{name}={v}" for name, v in arguments.items()))
    assert status == 0, error
    assert json.loads(out) == results
    again = json.loads((tmp_path / "again" / "predictions.json").read_text("utf-8"))
    assert again == predictions


class TestFlags:
  @pytest.mark.parametrize(
    ("changes", "message"),
    [
      ({"context_file": "x.json"}, "--context_file is for a list of questions"),
      ({"trained_dir": "x"}, "give --train_file, or --trained_dir of an earlier run"),
      ({"output_dir": "gs://x"}, "--output_dir=gs://x: expected a local directory"),
      ({"predict_file": "none.json"}, "none.json does not exist"),
      ({"span_flags": "--doc_strid=3"}, "--span_flags: Unknown .* 'doc_strid'"),
      ({"select_flags": "--num_choices=0"}, "--select_flags: flag --num_choices=0"),
    ],
  )
  def test_what_does_not_go_is_told_before_anything_is_written(
    self, inputs, tmp_path, parse_flags, changes, message
  ):
    arguments = training(inputs, **({"output_dir": tmp_path / "out"} | changes))
    parse_flags(reading, *arguments)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
      reading.main([])
    assert not (tmp_path / "out").exists()

  @pytest.mark.parametrize(
    ("flags_of", "message"),
    [
      ({}, "--eval_steps needs a --predict_file with answers"),
      (
        {"span_flags": "", "select_flags": "--eval_epochs=1"},
        "--eval_epochs needs a --predict_file with answers",
      ),
    ],
  )
  def test_evaluations_while_training_need_answers(
    self, inputs, tmp_path, parse_flags, flags_of, message
  ):
    rows = json.loads((inputs / "dev_questions.json").read_text("utf-8"))
    for row in rows:
      del row["relevant"], row["answers"]
    (tmp_path / "test.json").write_text(json.dumps(rows))
    arguments = training(
      inputs,
      tmp_path / "out",
      train_file=inputs / "train_questions.json",
      predict_file=tmp_path / "test.json",
      context_file=inputs / "train_context.json",
      **flags_of,
    )
    parse_flags(reading, *arguments)
    with pytest.raises(ValueError, match=message):
      reading.main([])

  def test_shared_flags_go_to_both_scripts_and_own_ones_follow(
    self, inputs, tmp_path, parse_flags
  ):
    arguments = training(inputs, tmp_path, span_flags="--eval_steps=4 --use_best")
    parse_flags(reading, *arguments, "--bucket_by_length")
    select, span = (reading._stage(name, True) for name in ("select", "span"))
    assert select.program[-1] == str(_ROOT / "run_classifier.py")
    shared = {"--bucket_by_length", "--train_batch_size=16", "--max_seq_length=20"}
    assert shared <= {*select.arguments} <= {*span.arguments}
    assert span.arguments[-2:] == ("--eval_steps=4", "--use_best")
    assert (select.use_best, span.use_best) == (False, True)
    assert not any("output_dir" in argument for argument in select.arguments)
