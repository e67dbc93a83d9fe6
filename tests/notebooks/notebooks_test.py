"""The notebooks: their form, and runs from top to bottom with tiny settings."""

import ast
import csv
import glob
import io
import itertools
import json
import pathlib
import random
import re
import subprocess
import sys
import tarfile

import nbclient
import nbformat
import pytest

from bert_ja.tasks import livedoor

_FOLDER = pathlib.Path(__file__).parents[2] / "notebooks"
_NAMES = ("livedoor_tpu", "mrpc_quickstart", "vectors")


def read(name):
  return nbformat.read(_FOLDER / f"{name}.ipynb", as_version=4)


def source(name, identity):
  """Code of one cell."""
  return next(cell.source for cell in read(name).cells if cell.id == identity)


def executed(name, folder, monkeypatch, **settings):
  """The notebook after a run in a folder, with values for some of its settings."""
  notebook = read(name)
  place = next(
    place
    for place, cell in enumerate(notebook.cells)
    if "parameters" in cell.metadata.get("tags", ())
  )
  there = {
    target.id
    for statement in ast.parse(notebook.cells[place].source).body
    for target in statement.targets
  }
  assert settings.keys() <= there
  lines = [f"{setting} = {value!r}" for setting, value in settings.items()]
  notebook.cells.insert(place + 1, nbformat.v4.new_code_cell("\n".join(lines)))
  monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
  resources = {"metadata": {"path": str(folder)}}
  nbclient.NotebookClient(notebook, timeout=1800, resources=resources).execute()
  return {cell.id: cell for cell in notebook.cells}


def printed(cell):
  streams = [out for out in cell.outputs if out.output_type == "stream"]
  return "".join(out.text for out in streams if out.name == "stdout")


def num_pictures(cell):
  return sum("image/png" in out.get("data", {}) for out in cell.outputs)


@pytest.mark.parametrize("name", _NAMES)
class TestForm:
  def test_is_valid(self, name):
    notebook = json.loads((_FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    nbformat.validate(notebook)

  def test_nothing_that_a_run_left_is_stored(self, name):
    code = [cell for cell in read(name).cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)

  def test_settings_come_first_and_are_plain_values(self, name):
    code = [cell for cell in read(name).cells if cell.cell_type == "code"]
    tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", ())]
    assert tagged == code[:1]
    statements = ast.parse(tagged[0].source).body
    assert all(isinstance(statement, ast.Assign) for statement in statements)

  def test_text_leads_to_each_cell(self, name):
    kinds = [cell.cell_type for cell in read(name).cells]
    assert kinds[0] == kinds[-1] == "markdown"
    assert ("code", "code") not in itertools.pairwise(kinds)


def test_all_notebooks_are_tested():
  assert {path.stem for path in _FOLDER.glob("*.ipynb")} == set(_NAMES)


def defined(name, identity):
  """Functions of a cell, without running the rest of it."""
  kept = [
    statement
    for statement in ast.parse(source(name, identity)).body
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef)
  ]
  names = {}
  exec(compile(ast.Module(kept, []), f"{name}/{identity}", "exec"), names)
  return names


class TestRun:
  """The function that both notebooks with commands define."""

  @pytest.fixture(params=["livedoor_tpu/install", "mrpc_quickstart/run"])
  def run(self, request):
    return defined(*request.param.split("/"))["run"]

  def test_a_path_with_a_space_is_one_argument_and_shown_quoted(self, run, capsys):
    run(sys.executable, "-c", "import sys; print(sys.argv[1:])", "/My Drive/a", "b")
    shown, said = capsys.readouterr().out.splitlines()
    assert shown.endswith(" '/My Drive/a' b")
    assert ast.literal_eval(said) == ["/My Drive/a", "b"]

  def test_what_fails_stops_the_notebook_and_shows_why(self, run, capsys):
    with pytest.raises(RuntimeError, match="status 3: the lines above say why"):
      run(sys.executable, "-c", "import os, sys; os.write(2, b'why'); sys.exit(3)")
    assert capsys.readouterr().out.endswith("why")


class TestRuntime:
  @pytest.mark.parametrize(
    ("files", "visible", "device"),
    [
      (["/dev/accel0", "/dev/accel1"], "", "TPU"),
      (["/dev/vfio/0"], "", "TPU"),
      (["/dev/vfio/vfio"], "", "CPU"),
      (["/dev/nvidia0"], "0", "GPU"),
      (["/dev/nvidia0"], "-1", "CPU"),
      (["/dev/nvidiactl"], "0", "CPU"),
      ([], "0", "CPU"),
    ],
  )
  def test_the_device_is_found_and_told(
    self, files, visible, device, monkeypatch, capsys
  ):
    def matching(pattern):
      return [file for file in files if pathlib.PurePath(file).match(pattern)]

    monkeypatch.setattr(glob, "glob", matching)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    names = {}
    exec(source("livedoor_tpu", "runtime"), names)
    assert names["device"] == device
    assert f"This runtime has a {device}." in capsys.readouterr().out


class TestDrive:
  def run(self, **settings):
    exec(source("livedoor_tpu", "runtime"), settings)
    exec(source("livedoor_tpu", "drive"), settings)

  def test_what_is_missing_is_named(self, tmp_path):
    archive = str(tmp_path / "My Drive" / "a.tar.gz")
    with pytest.raises(FileNotFoundError, match="My Drive/a.tar.gz' is not there; cop"):
      self.run(install_from="", archive=archive, work_dir="")

  def test_paths_with_spaces_and_in_buckets_pass(self, tmp_path):
    project = tmp_path / "My Drive" / "bert_ja"
    project.mkdir(parents=True)
    self.run(install_from=str(project), archive="gs://bucket/a.tar.gz", work_dir="")

  def test_the_drive_is_mounted_and_the_user_asked_where_a_bucket_is_used(
    self, tmp_path, monkeypatch
  ):
    called = []

    class Colab:
      class drive:  # noqa: N801
        mount = called.append

      class auth:  # noqa: N801
        @staticmethod
        def authenticate_user():
          called.append("who are you?")

    monkeypatch.setitem(sys.modules, "google.colab", Colab)
    self.run(install_from="", archive="", work_dir="/content/drive/My Drive")
    assert called == ["/content/drive"]
    self.run(install_from="", archive="", work_dir="gs://bucket/livedoor")
    assert called == ["/content/drive", "/content/drive", "who are you?"]


class TestBucket:
  def check(self, folder):
    """(status, what was printed) of the check that the notebook makes."""
    found = []

    def run(*command):
      done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
      )
      found.append((done.returncode, done.stdout))

    names = {"work_dir": folder, "run": run, "sys": sys}
    exec(source("livedoor_tpu", "bucket"), names)
    return found[0] if found else None

  def test_a_folder_that_may_be_used_passes_and_stays_empty(self, tmp_path):
    status, said = self.check(f"file://{tmp_path}/My bucket")
    assert status == 0
    assert said.endswith("My bucket can be written, read and deleted.\n")
    assert list((tmp_path / "My bucket").iterdir()) == []

  @pytest.mark.parametrize(
    "folder", ["nowhere://bucket", "file:///proc/bucket"], ids=["scheme", "refused"]
  )
  def test_one_that_may_not_is_told_in_one_sentence(self, folder):
    status, said = self.check(folder)
    assert status == 1
    last = said.splitlines()[-1]
    assert last.startswith(f"This account cannot write objects in {folder}: check the")
    assert "Storage Object Admin" in last

  def test_without_a_bucket_nothing_is_run(self, capsys):
    assert self.check("/content/drive/My Drive/livedoor") is None
    assert capsys.readouterr().out == "No bucket is used.\n"


def write_archive(path):
  """A corpus of the published form, six articles a site."""
  draw = random.Random(3)
  with tarfile.open(path, "w:gz") as archive:
    for label in livedoor.LABELS:
      for number in range(6):
        words = "".join(draw.choices("雨風山川空海花鳥", k=9))
        text = (
          f"http://news.example/\n2014-02-09T00:00:00+0900\n題{number}\n{words}。\n"
        )
        member = tarfile.TarInfo(f"text/{label}/{label}-{number}.txt")
        member.size = len(text.encode())
        archive.addfile(member, io.BytesIO(text.encode()))


@pytest.mark.slow
def test_livedoor_from_archive_to_confusion_matrix(tmp_path, monkeypatch):
  drive = tmp_path / "My Drive"
  drive.mkdir()
  write_archive(drive / "corpus.tar.gz")
  cells = executed(
    "livedoor_tpu",
    tmp_path,
    monkeypatch,
    install_from="",
    archive=str(drive / "corpus.tar.gz"),
    work_dir=str(drive / "livedoor"),
    max_seq_length=16,
    train_batch_size=8,
    num_train_epochs=1,
  )
  assert "trains on 1 CPU device(s)" in printed(cells["devices"])
  assert printed(cells["bucket"]) == "No bucket is used.\n"
  # 54 articles are 33 + 11 + 10, four steps an epoch.
  assert "33 articles" in printed(cells["data"])
  assert "Num steps = 4\n" in printed(cells["train"])
  results = drive / "livedoor" / "out"
  scores = json.loads((results / "test" / "metrics.json").read_text())
  assert 0 <= scores["accuracy"] <= 1
  assert (results / "test" / "classification_report.txt").read_text() in printed(
    cells["report"]
  )
  assert num_pictures(cells["report"]) == num_pictures(cells["matrix"]) == 1


@pytest.mark.slow
def test_mrpc_from_flags_to_chart(tmp_path, monkeypatch):
  cells = executed(
    "mrpc_quickstart",
    tmp_path,
    monkeypatch,
    work_dir=str(tmp_path / "My files"),
    num_pairs=40,
    max_seq_length=24,
    train_batch_size=8,
    num_train_epochs=1,
  )
  assert "train.tsv: 32 pairs\n" in printed(cells["data"])
  assert "Num steps = 4\n" in printed(cells["run"])
  assert re.match(
    r"accuracy [01]\.\d{3}, larger class 0\.\d{3}\n", printed(cells["scores"])
  )
  predictions = tmp_path / "My files" / "out" / "predictions.tsv"
  with open(predictions, encoding="utf-8", newline="") as reader:
    rows = list(csv.DictReader(reader, delimiter="\t"))
  assert len(rows) == 4
  shown = printed(cells["predictions"])
  assert all(row["text_a"] in shown and row["text_b"] in shown for row in rows)
  assert shown.count("not the same") == sum(row["predicted"] == "0" for row in rows)
  assert num_pictures(cells["predictions"]) == 1


class TestPairs:
  """Pairs that mrpc_quickstart makes, by its own code."""

  @pytest.fixture
  def files(self, tmp_path):
    settings = {"data_dir": "", "work_dir": str(tmp_path), "num_pairs": 50}
    exec(source("mrpc_quickstart", "data"), settings)
    tables = {}
    for name in ("train", "dev", "test"):
      with open(tmp_path / "data" / f"{name}.tsv", encoding="utf-8") as reader:
        tables[name] = list(csv.reader(reader, delimiter="\t"))
    return tables

  def test_sizes_and_columns_are_those_of_mrpc(self, files):
    assert {name: len(rows) - 1 for name, rows in files.items()} == {
      "train": 40,
      "dev": 5,
      "test": 5,
    }
    assert files["dev"][0] == ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"]
    assert [row[0] for row in files["test"]] == ["index", *map(str, range(5))]

  def test_half_of_them_are_the_same_fact(self, files):
    """The person stands in both sentences, and elsewhere in each."""
    rows = files["train"][1:]
    assert sum(row[0] == "1" for row in rows) == 20
    for quality, _, _, first, second in rows:
      person, place = first.split("、")[1].split("で")[0].split("は")
      assert (second.startswith(f"{person}が{place}で")) or quality == "0"

  def test_files_of_the_user_stay_as_they_are(self, tmp_path, capsys):
    for name in ("train", "dev", "test"):
      (tmp_path / f"{name}.tsv").write_text(f"Quality\n{name}\n")
    settings = {"data_dir": str(tmp_path), "work_dir": "/nowhere", "num_pairs": 50}
    exec(source("mrpc_quickstart", "data"), settings)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
      "dev.tsv",
      "test.tsv",
      "train.tsv",
    ]
    assert "train.tsv: 1 pairs\n  Quality\n  train\n" in capsys.readouterr().out


class TestFont:
  """Of the map of vectors."""

  def test_letters_that_a_font_has(self):
    assert defined("vectors", "map")["font_for"]("A map, é")

  def test_a_font_of_boxes_is_none(self):
    """U+E0F5 is private to its font: those that come with Matplotlib lack it."""
    from matplotlib import font_manager

    last_resort = [
      font
      for font in font_manager.fontManager.ttflist
      if font.name.startswith("Last Resort")
    ]
    assert last_resort
    letters = font_manager.get_font(last_resort[0].fname).get_charmap()
    assert 0xE0F5 in letters
    assert defined("vectors", "map")["font_for"]("\ue0f5\U000e0fff") is None


@pytest.mark.slow
class TestVectors:
  def test_neighbours_are_of_like_topics(self, tmp_path, monkeypatch):
    cells = executed("vectors", tmp_path, monkeypatch, num_queries=4)
    assert printed(cells["vectors"]) == "(24, 256)\n"
    assert printed(cells["neighbours"]).count("\n  ") == 4 * 3
    agree, _, count = printed(cells["topics"]).split()
    # Guesses would agree with 5 of 23, so with about 5 of 24.
    assert int(agree) >= 12 and int(count) == 24
    assert num_pictures(cells["map"]) == 1

  def test_a_file_of_the_user(self, tmp_path, monkeypatch):
    lines = [
      "庭に花が咲いた。",
      "",
      "池に魚がいる。",
      "空に鳥が飛ぶ。",
      "山に雪が降る。",
    ]
    (tmp_path / "my lines.txt").write_text("\n".join(lines), encoding="utf-8")
    cells = executed(
      "vectors",
      tmp_path,
      monkeypatch,
      sentences_file="my lines.txt",
      map_method="tsne",
      num_neighbours=2,
    )
    assert printed(cells["sentences"]) == "4 sentences\n"
    said = printed(cells["neighbours"]).splitlines()
    assert [line for line in said if not line.startswith(" ")] == [
      line for line in lines if line
    ]
    assert len(said) == 4 * (1 + 2)
    assert num_pictures(cells["map"]) == 1
