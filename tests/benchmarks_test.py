import dataclasses
import io
import json
import subprocess
import sys
import tarfile

import pytest

from benchmarks import step_benchmark, tokenizer_benchmark
from bert_ja import modeling


class TestStepBenchmark:
  def test_flops_are_those_of_the_matrix_products(self):
    config = modeling.BertConfig(
      vocab_size=7,
      hidden_size=4,
      num_hidden_layers=3,
      num_attention_heads=2,
      intermediate_size=10,
    )
    batch, length = 5, 6
    dense = 4 * (4 * 4) + 2 * (4 * 10)  # multiplications a token and layer
    attention = 2 * length * 4
    expected = 2 * 3 * batch * length * (dense + attention) + 2 * batch * 4 * 4
    arguments = config, batch, length
    assert step_benchmark.forward_flops("classification", *arguments) == expected
    # One of six positions is masked: a transform and a product with 7 pieces.
    expected += 2 * batch * (4 * 4 + 4 * 7)
    assert step_benchmark.forward_flops("pretraining", *arguments) == expected

  def test_it_writes_a_row_for_each_combination(self, tmp_path):
    config = modeling.BertConfig(
      vocab_size=50,
      hidden_size=8,
      num_hidden_layers=1,
      num_attention_heads=2,
      intermediate_size=16,
    )
    (tmp_path / "config.json").write_text(config.to_json_string())
    subprocess.run(
      [
        sys.executable,
        "-m",
        "benchmarks.step_benchmark",
        f"--bert_config_file={tmp_path}/config.json",
        "--precisions=float32",
        "--batch_sizes=2",
        "--lengths=8",
        "--steps=1",
        f"--output_file={tmp_path}/out.json",
      ],
      check=True,
      capture_output=True,
    )
    rows = json.loads((tmp_path / "out.json").read_text())
    assert [(row["task"], row["batch"], row["length"]) for row in rows] == [
      ("classification", 2, 8),
      ("pretraining", 2, 8),
    ]
    for row in rows:
      share = row["model_gflops"] / row["peak_gflops"]
      assert row["share_of_peak"] == pytest.approx(share)


@pytest.fixture
def small_source(tmp_path):
  """Generated lines and a vocabulary that does not cover all of them."""
  lines = tokenizer_benchmark.generated_lines(count=20)
  tokens = tokenizer_benchmark.derived_vocabulary(lines[:10], {})
  (tmp_path / "vocab.txt").write_text("\n".join(tokens), "utf-8")
  source = tokenizer_benchmark.Source(str(tmp_path / "vocab.txt"))
  return lines, source


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
  lines = tokenizer_benchmark.generated_lines(count=2000)
  return tokenizer_benchmark.write_model(lines, str(tmp_path_factory.mktemp("model")))


class TestTokenizerBenchmark:
  @pytest.mark.parametrize("lower", [False, True])
  @pytest.mark.parametrize("case", tokenizer_benchmark.CASES, ids=lambda c: c.name)
  def test_both_sides_agree_on_the_generated_text(
    self, small_source, model_file, case, lower
  ):
    if "tokenizers" in case.name:
      pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    lines, source = small_source
    source = dataclasses.replace(source, do_lower_case=lower, model_file=model_file)
    rows = tokenizer_benchmark.measure(case, source, lines, 1)
    assert [(row["case"], row["pass"]) for row in rows] == [
      (case.name, "first"),
      (case.name, "second"),
    ]
    assert not any(row["different_lines"] for row in rows)
    assert all(row["times_baseline"] > 0 for row in rows)

  def test_lines_with_other_ids_are_counted(self, small_source):
    lines, source = small_source
    wrong = tokenizer_benchmark.Case(
      "wrong",
      lambda source: lambda lines: [[-1]] * len(lines),
      tokenizer_benchmark.make_google_ids,
      list,
    )
    assert tokenizer_benchmark.different_lines(wrong, source, lines) == 20
    partly = dataclasses.replace(wrong, baseline_ids=None)
    assert tokenizer_benchmark.different_lines(partly, source, lines) is None

  def test_ratio_is_the_median_of_the_rounds(self, small_source, monkeypatch):
    lines, source = small_source
    # Baseline and ours, of a first and a second pass, in three rounds.
    times = iter([6, 2, 8, 1, 9, 1, 8, 2, 2, 4, 8, 4])
    monkeypatch.setattr(tokenizer_benchmark, "seconds", lambda *_: next(times))
    rows = tokenizer_benchmark.measure(
      tokenizer_benchmark.CASES[0], source, lines, rounds=3
    )
    assert [row["times_baseline"] for row in rows] == [3, 4]
    assert [row["lines_per_second"] for row in rows] == [20 / 2, 20 / 2]
    assert [row["baseline"] for row in rows] == [20 / 6, 20 / 8]

  def test_cases_are_chosen_by_the_start_of_their_names(self):
    choose = tokenizer_benchmark.chosen_cases
    assert choose(None) == list(tokenizer_benchmark.CASES)
    names = [case.name for case in choose(["google offsets", "google ids / plain"])]
    assert names == ["google ids / plain algorithm", "google offsets / google"]
    with pytest.raises(ValueError, match="--cases=gogle is none of google / plain"):
      choose(["gogle"])

  def test_livedoor_lines_are_titles_and_bodies(self, tmp_path):
    with tarfile.open(tmp_path / "corpus.tar.gz", "w:gz") as archive:
      for name, text in (
        ("text/smax/smax-1.txt", "http://x\n2012\n題名\n\n本文です。\n"),
        ("text/smax/smax-2.txt", "http://y\n2013\n次の題名\n"),
        ("text/smax/LICENSE.txt", "a\nb\nc\n"),
      ):
        entry = tarfile.TarInfo(name)
        entry.size = len(text.encode())
        archive.addfile(entry, io.BytesIO(text.encode()))
    path = str(tmp_path / "corpus.tar.gz")
    lines = tokenizer_benchmark.livedoor_lines(path, 10)
    assert sorted(lines) == ["本文です。", "次の題名", "題名"]
    assert tokenizer_benchmark.livedoor_lines(path, 2) == lines[:2]

  def test_it_writes_the_rows(self, tmp_path):
    (tmp_path / "lines.txt").write_text("東京に行く。\n\nTokyo\n", "utf-8")
    command = [sys.executable, "-m", "benchmarks.tokenizer_benchmark"]
    subprocess.run(
      [
        *command,
        f"--input_file={tmp_path}/lines.txt",
        "--cases=google / plain",
        "--rounds=1",
        f"--output_file={tmp_path}/out.json",
      ],
      check=True,
      capture_output=True,
    )
    rows = json.loads((tmp_path / "out.json").read_text())
    assert [row["pass"] for row in rows] == ["first", "second"]
    (tmp_path / "lines.txt").write_text("\n")
    failed = subprocess.run(
      [*command, f"--input_file={tmp_path}/lines.txt"], capture_output=True, check=False
    )
    assert failed.returncode == 1 and b"holds no text; expected lines" in failed.stderr
