"""The livedoor corpus: texts of articles, the split, the files pandas would write."""

import hashlib
import io
import os
import pathlib
import tarfile

import numpy as np
import pytest
from absl import flags

from bert_ja.commands import livedoor
from bert_ja.tasks.livedoor import LABELS, LivedoorProcessor

SHARED = pathlib.Path(__file__).resolve().parents[3] / "shared"

# Of the files that the fork's steps give with pandas 3.1.1 from the published archive:
# DataFrame.sample(random_state=23), to_csv(sep="\t", index=False).
PANDAS_FILES = {
  "train.tsv": "bc2ffadb4b4f72e8854325f946b558c619f4958cdcb7cfd8c8bc7a37ebfb6681",
  "dev.tsv": "f88b0bcdfd4c8897136628621e569b30deb3e678160335c893a224733d88218e",
  "test.tsv": "a950289f40e95cfb11504b9990439bc34ba4e12c8827626cda986e24be57926d",
  "train_small.tsv": "04f1fb6ed43f9878f9618e54033307b6ec0d5d4c972e803f3a361ef0b299dfe5",
}


def write_archive(path, files, mode="w:gz"):
  """A tar archive of {name: text or bytes}."""
  with tarfile.open(path, mode) as archive:
    for name, content in files.items():
      data = content if isinstance(content, bytes) else content.encode("utf-8")
      member = tarfile.TarInfo(name)
      member.size = len(data)
      archive.addfile(member, io.BytesIO(data))
  return str(path)


def article(body):
  return f"http://news.example/\n2014-02-09T00:00:00+0900\n{body}"


def corpus(per_category=2):
  """Files of a small corpus, in no order."""
  files = {"text/README.txt": "read", "text/peachy/LICENSE.txt": "licence"}
  for number in reversed(range(per_category)):
    for label in reversed(LABELS):
      files[f"text/{label}/{label}-{number}.txt"] = article(f"{label}の記事{number}\n")
  return files


def run(**options):
  flag_values = flags.FlagValues()
  livedoor.define_flags(flag_values)
  arguments = [f"--{name}={value}" for name, value in options.items()]
  flag_values(["livedoor", *arguments])
  before = livedoor.FLAGS
  livedoor.FLAGS = flag_values
  try:
    livedoor.main(["livedoor"])
  finally:
    livedoor.FLAGS = before


class TestArticleText:
  def test_address_and_time_are_left_out_and_lines_joined(self):
    data = article(" 題名\u3000\n\n\u3000本文一。 \n  \n本文二。\n").encode()
    assert livedoor.article_text(data, "a.txt") == "題名本文一。本文二。"

  def test_tabs_within_a_line_become_wide_spaces(self):
    data = article("\t一\t二\t\n").encode()
    assert livedoor.article_text(data, "a.txt") == "一\u3000二"

  def test_all_line_ends_are_line_ends(self):
    data = article("一\r\n二\r三").replace("\n", "\r\n", 2).encode()
    assert livedoor.article_text(data, "a.txt") == "一二三"

  def test_another_encoding_is_told(self):
    with pytest.raises(ValueError, match="a.txt in the archive: expected UTF-8"):
      livedoor.article_text("日本".encode("cp932"), "a.txt")


class TestReadArticles:
  @pytest.mark.parametrize("mode", ["w:gz", "w"])
  def test_order_is_by_category_and_file_name(self, tmp_path, mode):
    path = write_archive(tmp_path / "a.tar.gz", corpus(), mode)
    expected = [(f"{label}の記事{i}", label) for label in LABELS for i in range(2)]
    assert livedoor.read_articles(path) == expected

  def test_a_missing_file_is_not_found(self, tmp_path):
    with pytest.raises(FileNotFoundError, match="none.tar.gz"):
      livedoor.read_articles(str(tmp_path / "none.tar.gz"))

  def test_a_directory_is_no_file(self, tmp_path):
    with pytest.raises(IsADirectoryError):
      livedoor.read_articles(str(tmp_path))

  @pytest.mark.parametrize("kept", [0.3, 0.97])
  def test_a_cut_archive_is_told(self, tmp_path, kept):
    path = tmp_path / "a.tar.gz"
    write_archive(path, {**corpus(), "noise": os.urandom(20_000)})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(ValueError, match="a.tar.gz is damaged or no tar archive; exp"):
      livedoor.read_articles(str(path))

  def test_a_changed_archive_is_told(self, tmp_path):
    path = tmp_path / "a.tar.gz"
    write_archive(path, corpus())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ValueError, match="a.tar.gz is damaged or no tar archive"):
      livedoor.read_articles(str(path))

  def test_another_file_is_told(self, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("no archive")
    with pytest.raises(
      ValueError, match="a.txt is damaged or no tar archive; expected"
    ):
      livedoor.read_articles(str(path))

  def test_missing_categories_are_told(self, tmp_path):
    files = {name: text for name, text in corpus().items() if "s" not in name[5:]}
    path = write_archive(tmp_path / "a.tar.gz", files)
    message = (
      "a.tar.gz has no articles text/<category>/<category>-<id>.txt of dokujo-tsushin, "
      "smax, sports-watch, topic-news; expected ldcc-20140209.tar.gz"
    )
    with pytest.raises(ValueError, match=message):
      livedoor.read_articles(path)


class TestSplit:
  def test_sizes_of_the_corpus(self):
    parts = livedoor.split(range(7367))
    sizes = {name: len(rows) for name, rows in parts.items()}
    assert sizes == {"test": 1473, "dev": 1473, "train": 4421}
    assert len(livedoor.small_part(parts["train"])) == 884

  def test_the_order_is_that_of_pandas(self):
    """Of pandas.DataFrame({"i": range(7367)}).sample(frac=1, random_state=23).i."""
    parts = livedoor.split(range(7367))
    order = [*parts["test"], *parts["dev"], *parts["train"]]
    assert order[:8] == [6466, 2476, 4405, 3104, 339, 38, 6109, 1485]
    found = hashlib.sha256(np.array(order, "<i4").tobytes()).hexdigest()
    assert found == "722cf68cea50ac737d0cd75afb3901f59400a59a1dba9a4be0f623259c39a637"

  def test_no_row_is_lost(self):
    parts = livedoor.split(range(13))
    assert [len(parts[name]) for name in ("test", "dev", "train")] == [2, 3, 8]
    assert sorted(sum(parts.values(), [])) == list(range(13))


class TestWriteRows:
  def test_only_cells_with_a_quote_are_quoted(self, tmp_path):
    path = tmp_path / "a.tsv"
    livedoor.write_rows(str(path), [('a "b"', "peachy"), ("'c', d", "smax"), ("", "x")])
    expected = 'text\tlabel\n"a ""b"""\tpeachy\n\'c\', d\tsmax\n\tx\n'
    assert path.read_bytes() == expected.encode()


class TestMain:
  def test_writes_files_that_the_task_reads(self, tmp_path):
    archive = write_archive(tmp_path / "a.tar.gz", corpus(3))
    folder = tmp_path / "new" / "out"
    run(archive=archive, output_dir=folder)
    assert sorted(os.listdir(folder)) == ["dev.tsv", "test.tsv", "train.tsv"]
    processor = LivedoorProcessor()
    train = processor.get_train_examples(str(folder))
    test = processor.get_test_examples(str(folder))
    assert (len(train), len(test)) == (17, 5)
    assert all(example.text_a.startswith(example.label) for example in train)

  def test_small_is_one_fifth_of_the_training_rows(self, tmp_path):
    archive = write_archive(tmp_path / "a.tar.gz", corpus(3))
    run(archive=archive, output_dir=tmp_path, small=True)
    train = (tmp_path / "train.tsv").read_text(encoding="utf-8").splitlines()
    small = (tmp_path / "train_small.tsv").read_text(encoding="utf-8").splitlines()
    assert len(small) == 1 + 3 and set(small) < set(train)

  def test_a_damaged_archive_writes_nothing(self, tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(ValueError, match="damaged"):
      run(archive=tmp_path / "a.tar.gz", output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()

  def test_archive_and_directory_are_required(self):
    with pytest.raises(ValueError, match="--archive is required"):
      run(output_dir="out")
    with pytest.raises(ValueError, match="--output_dir is required"):
      run(archive="a.tar.gz")

  def test_the_published_corpus_gives_the_files_of_pandas(self, tmp_path):
    archive = SHARED / "data/livedoor/ldcc-20140209.tar.gz"
    if not archive.exists():
      pytest.skip(f"{archive} is not there")
    run(archive=archive, output_dir=tmp_path, small=True)
    found = {
      path.name: hashlib.sha256(path.read_bytes()).hexdigest()
      for path in tmp_path.iterdir()
    }
    assert found == PANDAS_FILES
