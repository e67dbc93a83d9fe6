"""`bert-ja baselines`: from a task's files to folders and a table; wrong flags."""

import json
import subprocess
import sys

import numpy as np
import pytest
from absl import flags

import bert_ja
from bert_ja import figures
from bert_ja.baselines import baseline_data, baseline_learners
from bert_ja.commands import baselines
from tests import vector_model


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
  """Drawing takes longer than all else."""
  monkeypatch.setattr(figures, "confusion_matrix", lambda matrix, names: b"")


def write_table(directory, split, rows, header="text\tlabel"):
  lines = [header, *("\t".join(row) for row in rows)]
  (directory / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def rows(count):
  """Two labels in turn, one more of the first; a word tells them."""
  return [
    (f"w{n % 3} w{20 + n % 2} w{n % 5}", "odd" if n % 2 else "even")
    for n in range(count)
  ]


@pytest.fixture
def data_dir(tmp_path):
  path = tmp_path / "data"
  path.mkdir()
  for split, count in (("train", 25), ("dev", 8), ("test", 11)):
    write_table(path, split, rows(count))
  return path


@pytest.fixture
def run(monkeypatch, capsys, data_dir, tmp_path):
  """Function: arguments -> what was printed."""

  def run(*arguments):
    flag_values = flags.FlagValues()
    baselines.define_flags(flag_values)
    flag_values(
      [
        "baselines",
        "--task_name=table",
        f"--data_dir={data_dir}",
        f"--output_dir={tmp_path}/out",
        "--tokenizer=pretokenized",
        "--num_estimators=3",
        *arguments,
      ]
    )
    monkeypatch.setattr(baselines, "FLAGS", flag_values)
    baselines.main([])
    return capsys.readouterr().out

  return run


def scores_of(tmp_path, name):
  return json.loads((tmp_path / "out" / name / "test" / "metrics.json").read_text())


def names_of(printed):
  return [line.split()[0] for line in printed.splitlines()[1:]]


def test_what_needs_no_model_is_the_default(run, tmp_path):
  printed = run()
  assert names_of(printed) == ["majority", "tfidf_logistic", "tfidf_boosting"]
  assert printed.splitlines()[0].split("  ")[-1].strip() == "seconds"
  assert scores_of(tmp_path, "majority")["accuracy"] == 6 / 11
  assert scores_of(tmp_path, "tfidf_logistic")["accuracy"] == 1
  assert (tmp_path / "out" / "summary.md").exists()


def test_a_set_can_be_left_alone(run, tmp_path, data_dir):
  (data_dir / "test.tsv").write_text("no table\n")
  printed = run("--score_sets=dev", "--baselines=majority")
  assert "dev accuracy" in printed and "test" not in printed
  assert not (tmp_path / "out" / "majority" / "test").exists()


def test_a_model_gives_vectors(run, tmp_path):
  model = tmp_path / "model"
  model.mkdir()
  vector_model.write(model)
  arguments = [f"--model_dir={model}", "--pooling=max", "--max_seq_length=16"]
  assert names_of(run(*arguments, "--baselines=encoder_logistic")) == [
    "encoder_logistic"
  ]
  # The same numbers, encoded by hand and read from files.
  encoder = bert_ja.Encoder(str(model), pooling="max", max_seq_length=16)
  paths = []
  for split, count in (("train", 25), ("dev", 8), ("test", 11)):
    paths.append(f"{tmp_path}/{split}.npy")
    np.save(paths[-1], encoder.encode([text for text, _ in rows(count)]))
  run("--baselines=vectors_logistic", f"--vectors_file={','.join(paths)}")
  first, second = (
    np.loadtxt(tmp_path / "out" / name / "test_results.tsv")
    for name in ("encoder_logistic", "vectors_logistic")
  )
  assert first.std(axis=0).min() > 0.01
  np.testing.assert_allclose(first, second, atol=1e-5)


def test_a_model_for_its_tokenizer_alone(run, tmp_path):
  model = tmp_path / "model"
  model.mkdir()
  vector_model.write(model)
  arguments = ["--baselines=majority", f"--model_dir={model}", "--max_seq_length=16"]
  with pytest.raises(ValueError, match="--model_dir is for encoder_logistic"):
    run(*arguments)
  assert names_of(run(*arguments, "--drop_longer")) == ["majority"]


def test_pairs_by_column(run, data_dir, tmp_path):
  for split, count in (("train", 24), ("dev", 6), ("test", 10)):
    pairs = [
      (f"w{n % 7}", f"w{(n + n % 2) % 7}", "other" if n % 2 else "same")
      for n in range(count)
    ]
    write_table(data_dir, split, pairs, "left\tright\tanswer")
  run(
    "--text_columns=left,right", "--label_column=answer", "--baselines=tfidf_boosting"
  )
  assert scores_of(tmp_path, "tfidf_boosting")["accuracy"] == 1


def test_numbers_have_baselines_of_their_own(run, data_dir, tmp_path):
  header = "text_a\ttext_b\tlabel"
  same = [("w1 w2", "w1 w2", "5"), ("w3 w4", "w3 w5", "3"), ("w6 w7", "w8 w9", "1")]
  for split in ("train", "dev", "test"):
    write_table(data_dir, split, same * 2, header)
  printed = run("--task_name=regression")
  assert names_of(printed) == ["mean", "tfidf_cosine", "tfidf_ridge"]
  assert "test Pearson" in printed and "dev Spearman" in printed
  assert scores_of(tmp_path, "mean")["pearson"] == 0
  assert scores_of(tmp_path, "tfidf_cosine")["pearson"] > 0.9


def test_single_texts_are_not_compared(run, data_dir):
  for split in ("train", "dev", "test"):
    write_table(data_dir, split, [("w1", "5"), ("w2", "1")])
  assert names_of(run("--task_name=regression")) == ["mean", "tfidf_ridge"]
  with pytest.raises(
    ValueError, match="tfidf_cosine compares two texts, and rows have"
  ):
    run("--task_name=regression", "--baselines=tfidf_cosine")
  with pytest.raises(
    ValueError, match=r"no baseline of this kind of task \(regression"
  ):
    run("--task_name=regression", "--vectors_file=a.npy")


def test_choices_have_baselines_of_their_own(run, data_dir, tmp_path):
  rows = [("w1", "w1", "w2", "w3", "0"), ("w2", "w3", "w2", "", "1")]
  for split in ("train", "dev", "test"):
    header = "text\tchoice0\tchoice1\tchoice2\tlabel"
    write_table(data_dir, split, rows * 3, header)
  printed = run("--task_name=multiple_choice")
  assert names_of(printed) == ["majority", "tfidf_cosine", "tfidf_logistic"]
  assert "accuracy" in printed and "F1" not in printed
  assert scores_of(tmp_path, "majority")["accuracy"] == 0.5
  assert scores_of(tmp_path, "tfidf_cosine")["accuracy"] == 1


def test_other_kinds_have_none(run):
  with pytest.raises(ValueError, match="this task's is 'multi_label', choose another"):
    run("--task_name=multi_label")


def test_japanese_words_are_the_default(run, data_dir, tmp_path):
  pytest.importorskip("MeCab")
  pytest.importorskip("ipadic")
  texts = [("店員の笑顔が良かった", "good"), ("スープがぬるくて残念", "bad")]
  write_table(data_dir, "train", texts * 4)
  write_table(data_dir, "dev", [("ｽｰﾌﾟは残念だった", "bad"), ("笑顔！", "good")])
  (data_dir / "test.tsv").unlink()
  run("--tokenizer=tohoku", "--baselines=tfidf_logistic")
  path = tmp_path / "out" / "tfidf_logistic" / "metrics.json"
  assert json.loads(path.read_text())["eval_accuracy"] == 1


def test_characters_tell_what_words_do_not(run, data_dir, tmp_path):
  # No word recurs; the last character is the label. Width and case do not matter.
  texts = {"train": ["aX", "bY", "cｘ", "dy", "ex", "fY"], "test": ["pＸ", "qy"]}
  for split, words in texts.items():
    labels = ["even" if word[1] in "xXｘＸ" else "odd" for word in words]
    write_table(data_dir, split, list(zip(words, labels, strict=True)))
  arguments = ["--baselines=tfidf_logistic", "--score_sets=test"]
  run(*arguments)
  assert scores_of(tmp_path, "tfidf_logistic")["accuracy"] == 0.5
  run(*arguments, "--tfidf_units=characters", "--tfidf_ngrams=1,2")
  assert scores_of(tmp_path, "tfidf_logistic")["accuracy"] == 1


def test_penalties_of_the_flag_are_tried(run, tmp_path):
  run("--baselines=tfidf_logistic", "--inverse_penalties=20,0.001")
  header, row = (tmp_path / "out" / "summary.csv").read_text().splitlines()
  values = dict(zip(header.split(","), row.split(","), strict=True))
  assert values["inverse_penalty"] == "20"


@pytest.mark.parametrize(
  "argument",
  [
    "--inverse_penalties=",
    "--inverse_penalties=0",
    "--inverse_penalties=1,-1",
    "--inverse_penalties=inf",
    "--inverse_penalties=nan",
    "--inverse_penalties=much",
    "--tfidf_ngrams=1",
    "--tfidf_ngrams=0,1",
    "--tfidf_ngrams=3,1",
    "--tfidf_ngrams=1,2,3",
    "--tfidf_ngrams=1,b",
    "--tfidf_units=letters",
  ],
)
def test_values_that_flags_refuse(run, argument):
  name = argument.split("=")[0].strip("-")
  with pytest.raises(
    flags.IllegalFlagValueError, match=f"flag --{name}=.*: (expected|value should)"
  ):
    run(argument)


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["--baselines=tfidf"], "'tfidf' is not known; expected some of majority, tfidf_l"),
    (["--baselines=majority,majority"], "'majority' is named twice"),
    (["--baselines=encoder_logistic"], "encoder_logistic needs --model_dir"),
    (["--baselines=vectors_logistic"], "vectors_logistic needs --vectors_file"),
    (
      ["--baselines=majority", "--vectors_file=a.npy"],
      "--vectors_file is for vectors_logistic or vectors_mlp or vectors_boosting, of "
      "which --baselines=majority names none",
    ),
    (["--vectors_file=a.npy"], "names 1 files; expected 3, of the sets train, dev, t"),
    (["--model_dir=missing"], "missing does not exist"),
    (["--score_sets=dev,train"], "--score_sets=dev,train: expected dev, test or both"),
    (["--score_sets="], "--score_sets=: expected dev, test or both"),
    (["--task_name=tabel"], "did you mean 'table'"),
  ],
)
def test_wrong_flags(run, tmp_path, arguments, message):
  with pytest.raises(ValueError, match=message):
    run(*arguments)
  assert not (tmp_path / "out").exists()


def test_a_file_that_is_named_must_be_there(run):
  with pytest.raises(FileNotFoundError, match="--dev_file=other.tsv: there is no"):
    run("--dev_file=other.tsv")


def test_no_task(monkeypatch):
  flag_values = flags.FlagValues()
  baselines.define_flags(flag_values)
  flag_values(["baselines"])
  monkeypatch.setattr(baselines, "FLAGS", flag_values)
  with pytest.raises(ValueError, match="--task_name is required"):
    baselines.main([])


def test_command_and_library_have_the_same_names():
  assert set(baselines._NEEDS) == set(baseline_data.KINDS)
  for kind, learner in baseline_learners.LEARNERS.items():
    assert set(baselines._NEEDS[kind]) == set(learner.names)


def test_help_loads_no_learner(monkeypatch, tmp_path):
  for name in ("tensorflow", "sklearn"):
    (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n")
  monkeypatch.setenv("PYTHONPATH", str(tmp_path))
  done = subprocess.run(
    [sys.executable, "-m", "bert_ja", "baselines", "--help"],
    capture_output=True,
    text=True,
    check=False,
  )
  assert "--num_estimators" in done.stdout
  assert "imported" not in done.stderr


@pytest.mark.slow
def test_baselines_of_words_load_no_tensorflow(monkeypatch, data_dir, tmp_path):
  (tmp_path / "tensorflow.py").write_text("raise SystemExit('imported')\n")
  monkeypatch.setenv("PYTHONPATH", str(tmp_path))
  command = [sys.executable, "-m", "bert_ja", "baselines", "--task_name=table"]
  command += [f"--data_dir={data_dir}", f"--output_dir={tmp_path}/out"]
  command += ["--tokenizer=pretokenized", "--baselines=tfidf_logistic"]
  done = subprocess.run(command, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr
  assert names_of(done.stdout) == ["tfidf_logistic"]
