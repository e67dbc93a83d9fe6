"""`bert-ja report`: the page of a run, wrong arguments, and how a browser shows it."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from bert_ja import label_reports, learning_curve, table_files, text_io
from bert_ja.commands import report
from tests import prediction_tables
from tests.reports import report_page_test
from tests.scripts import runs

_BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
_BROWSER_FLAGS = (
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--hide-scrollbars",
)


@pytest.fixture
def run(parse_flags):
  """Function: arguments -> what the command does with them."""

  def run(*arguments):
    report.main(parse_flags(report, *arguments))

  return run


@pytest.fixture
def directory(tmp_path):
  """Of a run with two wrong predictions."""
  (tmp_path / "eval").mkdir()
  text_io.write_json(str(tmp_path / "metrics.json"), {"eval_accuracy": 1 / 3})
  prediction_tables.write_classes(
    tmp_path / "eval",
    ["a", "b", "c"],
    [("駅前の店。",), ("京都の寺。",), ("朝の海。",)],
    [0, 1, 1],
    [[0.25, 0.75], [0.125, 0.875], [0.9375, 0.0625]],
    ["良い", "悪い"],
  )
  return tmp_path


@pytest.fixture
def full_directory(tmp_path):
  """Of a run with all that makes a page wide: labels, texts, curves, two sets."""
  names = ["映画・演劇", "家電製品の感想", "スポーツ", "料理とレシピ", "旅行記", "音楽"]
  names += ["政治・経済の話題", "暮らしの知恵", "その他いろいろ"]
  rights = [n % 9 for n in range(40)]
  predicted = [(n * n) % 9 for n in range(40)]
  probabilities = 0.02 + np.eye(9)[predicted] * 0.82
  texts = [(f"これは{n}番目の長い文です。" * 60,) for n in range(40)]
  for scored, rows in ((tmp_path, tmp_path / "eval"), (tmp_path / "test", tmp_path)):
    scored.mkdir(exist_ok=True)
    rows.mkdir(exist_ok=True)
    text_io.write_json(str(scored / "metrics.json"), {"eval_accuracy": 1 / 3})
    label_reports.write_classification_report(str(scored), rights, predicted, names)
    prediction_tables.write_classes(
      rows, range(40), texts, rights, probabilities, names
    )
  history = [
    {"step": step, "epoch": 1.0, "split": "train", "loss": 1000 / step}
    for step in (1000, 400_000, 1_000_000)
  ]
  learning_curve.write(str(tmp_path), history)
  return tmp_path


def page_of(path):
  return report_page_test.Page(text_io.read_text(str(path)))


def test_the_page_lies_in_the_directory(run, directory):
  run(directory)
  page = page_of(directory / "report.html")
  assert (repr(1 / 3), "0.3333") in page.numbers
  places = [page.texts.index(text) for text in ("朝の海。", "駅前の店。", "京都の寺。")]
  assert places == sorted(places)


def test_flags_behind_the_directory(run, directory):
  path = directory / "other.html"
  run(directory, f"--output_file={path}", "--num_examples=1")
  assert not (directory / "report.html").exists()
  page = page_of(path)
  assert "朝の海。" in page.texts and "駅前の店。" not in page.texts


def test_no_examples_can_be_asked_for(run, directory):
  run(directory, "--num_examples=0")
  assert "朝の海。" not in page_of(directory / "report.html").texts


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ([], "expected one directory, .* found nothing; write bert-ja report OUTPUT_DIR"),
    (["a", "b"], "expected one directory, .* found a b"),
    (["nowhere"], "nowhere is no directory"),
  ],
)
def test_wrong_arguments(run, arguments, message):
  with pytest.raises((ValueError, OSError), match=message):
    run(*arguments)


def test_an_error_leaves_no_page(run, tmp_path):
  with pytest.raises(ValueError, match="holds no results"):
    run(tmp_path)
  assert os.listdir(tmp_path) == []


@pytest.mark.slow
@pytest.mark.skipif(_BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [500, 1200])
def test_a_browser_shows_it_without_scrolling_sideways(
  run, full_directory, tmp_path, width
):
  run(full_directory)
  path = full_directory / "report.html"
  # The page itself has no program; this copy writes down how large it has become.
  script = (
    "<script>const sizes = (query, side) => Math.max(...Array.from("
    "document.querySelectorAll(query), part => part.getBoundingClientRect()[side]));"
    "document.title = [document.documentElement.scrollWidth, innerWidth,"
    "sizes('.matrix th', 'height'), sizes('svg', 'width'),"
    "getComputedStyle(document.querySelector('section')).display]</script>"
  )
  text = path.read_text(encoding="utf-8").replace("</body>", f"{script}</body>")
  (tmp_path / "measured.html").write_text(text, encoding="utf-8")
  command = [_BROWSER, *_BROWSER_FLAGS, f"--window-size={width},900"]
  command.append(f"--user-data-dir={tmp_path / 'browser'}")

  def browse(*arguments):
    return subprocess.run(
      [*command, *map(str, arguments)], capture_output=True, text=True, timeout=240
    )

  shown = browse("--dump-dom", (tmp_path / "measured.html").as_uri())
  title = shown.stdout.partition("<title>")[2].partition("</title>")[0]
  page_width, window_width, cell_height, chart_width, display = title.split(",")
  assert int(page_width) == int(window_width) <= width
  # One line, not a column of single letters; a chart is no poster.
  assert float(cell_height) < 50
  assert 250 < float(chart_width) <= 560
  assert display == "block"
  picture = tmp_path / "page.png"
  browse(f"--screenshot={picture}", path.as_uri())
  assert picture.read_bytes().startswith(b"\x89PNG")
  assert picture.stat().st_size > 5000


@pytest.mark.parametrize("name", ["report.html", "elsewhere.html"])
def test_tensorflow_is_not_needed(directory, name):
  code = (
    "import sys; from bert_ja.commands import report; report.define_flags(); "
    "report.main(report.FLAGS(sys.argv)); assert 'tensorflow' not in sys.modules"
  )
  arguments = [str(directory), f"--output_file={directory / name}"]
  subprocess.run([sys.executable, "-c", code, *arguments], check=True)
  assert (directory / name).exists()


@pytest.mark.slow
def test_rows_of_the_dev_set_have_the_probabilities_of_the_best_model(run, tmp_path):
  """Rows held out, of which long ones are left out; each is predicted once more."""
  inputs, output_dir = str(tmp_path / "inputs"), str(tmp_path / "out")
  runs.write_inputs(inputs)
  held_out = {"validation_fraction": 0.25, "seed": 3, "do_eval": True, "eval_steps": 6}
  options = {**held_out, "drop_longer": True, "max_seq_length": 11, "use_best": True}
  jobs = [runs.arguments(inputs, output_dir, **options)]
  jobs.append(
    [
      f"--model_dir={output_dir}/best",
      f"--output_dir={tmp_path / 'again'}",
      f"--data_dir={inputs}",
      "--test_file=train.csv",
      "--do_predict",
    ]
  )
  runs.logs_of_many(jobs)
  held, everything = (
    {row["text"]: row for _, row in table_files.read_table(str(path))[1]}
    for path in (
      tmp_path / "out" / "eval" / "predictions.tsv",
      tmp_path / "again" / "predictions.tsv",
    )
  )
  assert 3 < len(held) < 12
  for text, row in held.items():
    assert len(text.split()) <= 9
    assert row["label"] == everything[text]["label"]
    for name in ("probability_even", "probability_odd"):
      assert float(row[name]) == pytest.approx(float(everything[text][name]), abs=1e-5)
  assert len({row["probability_odd"] for row in held.values()}) > 3
  record = text_io.read_json(f"{output_dir}/flags.json")
  assert list(record) == ["do_train", "do_eval"]
  for entry in record.values():
    assert entry["given"]["validation_fraction"] == 0.25
    assert entry["kind"] == "sentence"
    # TensorFlow has flags of its own.
    assert "hbm_oom_exit" not in {**entry["given"], **entry["default"]}
  names = os.listdir(f"{output_dir}/eval")
  assert [name for name in names if "tfevents" not in name] == ["predictions.tsv"]
  again = text_io.read_json(str(tmp_path / "again" / "flags.json"))
  assert list(again) == ["do_predict"]
  assert again["do_predict"]["model_directory"] == f"{output_dir}/best"
  run(output_dir)
  shown = page_of(f"{output_dir}/report.html").texts
  assert f"{len(held)} of {len(held)} rows, the hardest first." in shown


@pytest.mark.slow
def test_a_run_of_the_script_has_all_its_parts(run, tmp_path):
  inputs, output_dir = str(tmp_path / "inputs"), str(tmp_path / "out")
  runs.write_inputs(inputs)
  done = {"do_eval": True, "do_predict": True, "eval_steps": 8}
  status, log = runs.run(runs.arguments(inputs, output_dir, **done))
  assert status == 0, log
  run(output_dir)
  page = page_of(f"{output_dir}/report.html")
  with (
    open(f"{output_dir}/metrics.json") as dev,
    open(f"{output_dir}/test/metrics.json") as test,
  ):
    numbers = [*json.load(dev).values(), *json.load(test).values()]
  shown = [value for value, _ in page.numbers]
  assert set(map(repr, numbers)) <= set(shown)
  for title in ("Learning curve", "Confusion matrix", "Hardest of the dev set"):
    assert title in page.texts
  # Neither flags that were given nor those left as they were are missing.
  assert "learning_rate" in page.texts and "adam_epsilon" in page.texts
