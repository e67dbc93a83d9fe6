"""What paths, globs and directories name; archives are tested with their readers."""

import zipfile

import pytest

from bert_ja import input_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """The working directory, with a few files."""
  for name in (
    "b.txt",
    "a.txt",
    "[x].txt",
    "in/c.TXT",
    "in/d.md",
    ".e.txt",
    ".in/f.txt",
  ):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(name)
  monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("folder")
class TestPathsOf:
  def test_globs_are_sorted_and_paths_stay_in_their_order(self):
    found = input_files.paths_of(["in", "?.txt", "b.txt"])
    assert found == ["in", "a.txt", "b.txt", "b.txt"]

  def test_a_file_whose_name_looks_like_a_glob_is_that_file(self):
    assert input_files.paths_of(["[x].txt"]) == ["[x].txt"]

  def test_what_names_nothing_is_an_error(self):
    with pytest.raises(FileNotFoundError, match=r"--input: \*\.csv does not exist"):
      input_files.paths_of(["a.txt", "*.csv"])


@pytest.mark.usefixtures("folder")
class TestFiles:
  def test_directories_are_searched_and_hidden_names_passed_over(self):
    found = list(input_files.files(["in/d.md", "."]))
    below = ["./[x].txt", "./a.txt", "./b.txt", "./in/c.TXT", "./in/d.md"]
    assert found == ["in/d.md", *below]

  def test_only_files_of_directories_are_chosen(self):
    found = list(input_files.files(["in/d.md", "in"], lambda name: name == "c.TXT"))
    assert found == ["in/d.md", "in/c.TXT"]

  def test_a_directory_without_files_wanted_is_an_error(self):
    with pytest.raises(ValueError, match="in has no file of the kind"):
      list(input_files.files(["in"], lambda name: name == "g"))


@pytest.mark.usefixtures("folder")
class TestContents:
  def test_suffixes_match_in_capitals_too(self):
    found = list(input_files.contents(["in", "in/d.md"], ".txt"))
    assert found == [
      ("c.TXT", "in/c.TXT", b"in/c.TXT"),
      ("d.md", "in/d.md", b"in/d.md"),
    ]

  # In a zip's local and central heads: flags (1: with a password), way of packing.
  @pytest.mark.parametrize(
    ("places", "value", "reason"),
    [((6, 8), 1, "encrypted"), ((8, 10), 99, "compression method")],
  )
  def test_a_zip_that_cannot_be_unpacked_is_an_error(self, places, value, reason):
    with zipfile.ZipFile("a.zip", "w") as archive:
      archive.writestr("a.txt", "a")
    with open("a.zip", "r+b") as file:
      data = bytearray(file.read())
      for head, place in zip((b"PK\3\4", b"PK\1\2"), places, strict=True):
        data[data.index(head) + place] = value
      file.seek(0)
      file.write(data)
    with pytest.raises(ValueError, match=f"a.zip cannot be unpacked .*{reason}"):
      list(input_files.contents(["a.zip"]))
