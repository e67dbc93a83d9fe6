"""Files made once: keys, what counts as current, copies for other output files."""

import pytest

from bert_ja.data import feature_cache


class Tokenizer:
  def __init__(self, fingerprint):
    self.fingerprint = fingerprint


def key(fingerprint="t", settings=(1, "x"), rows=(("a", None), ("b", "c"))):
  return feature_cache.content_key(Tokenizer(fingerprint), settings, rows)


class TestContentKey:
  def test_equal_content_has_an_equal_key(self):
    assert key() == key(rows=iter([["a", None], ["b", "c"]]))

  @pytest.mark.parametrize(
    "change",
    [
      {"fingerprint": "u"},
      {"settings": (2, "x")},
      {"rows": (("a", None), ("b", "d"))},
      {"rows": (("a", None),)},
      {"rows": (("a", None, "b", "c"),)},
      {"rows": (("b", "c"), ("a", None))},
    ],
    ids=["tokenizer", "settings", "text", "fewer", "joined", "order"],
  )
  def test_other_content_has_another(self, change):
    assert key(**change) != key()

  def test_a_tokenizer_without_fingerprint_has_none(self):
    assert feature_cache.content_key(object(), (), ()) is None
    assert key(fingerprint="") is None


@pytest.fixture
def store(tmp_path):
  def make(key="k1", name="out", cache_dir=None, suffixes=("", ".npz")):
    return feature_cache.Store(str(tmp_path / name), key, cache_dir, suffixes)

  return make


def fill(store, content="one"):
  def make():
    for suffix in store.suffixes:
      with open(store.output_file + suffix, "w") as writer:
        writer.write(content + suffix)

  store.fill(make)


class TestStore:
  def test_nothing_is_there_at_first(self, store):
    assert store().reuse() is None

  def test_what_was_made_is_found_where_it_is(self, store, tmp_path):
    fill(store())
    assert store().reuse() == str(tmp_path / "out")

  def test_another_key_finds_nothing(self, store):
    fill(store())
    assert store(key="k2").reuse() is None

  @pytest.mark.parametrize("suffix", ["", ".npz"])
  def test_each_file_must_be_as_it_was(self, store, tmp_path, suffix):
    fill(store())
    (tmp_path / f"out{suffix}").write_text("another program's")
    assert store().reuse() is None

  @pytest.mark.parametrize("suffix", ["", ".npz", ".key"])
  def test_each_file_must_be_there(self, store, tmp_path, suffix):
    fill(store())
    (tmp_path / f"out{suffix}").unlink()
    assert store().reuse() is None

  def test_without_a_key_nothing_is_kept(self, store, tmp_path):
    fill(store(key=None, cache_dir=str(tmp_path / "cache")))
    assert store(key=None).reuse() is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.npz"]

  def test_work_that_stops_leaves_no_key(self, store, tmp_path):
    fill(store())

    def stop():
      raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
      store(key="k2").fill(stop)
    assert not (tmp_path / "out.key").exists()

  def test_copies_serve_other_output_files(self, store, tmp_path):
    cache = str(tmp_path / "cache")
    fill(store(cache_dir=cache))
    other = store(name="other", cache_dir=cache)
    assert other.reuse() == f"{cache}/k1"
    assert (tmp_path / "other").read_text() == "one"
    assert (tmp_path / "other.npz").read_text() == "one.npz"
    assert other.reuse() == str(tmp_path / "other")

  @pytest.mark.parametrize(
    ("name", "copy"),
    [
      ("train.tf_record", "k1.tf_record"),
      ("train.vectors.npy", "k1.npy"),
      ("train", "k1"),
    ],
  )
  def test_a_copy_ends_as_its_file_does(self, store, tmp_path, name, copy):
    cache = tmp_path / "cache"
    fill(store(name=name, cache_dir=str(cache)))
    assert sorted(path.name for path in cache.iterdir()) == [copy, f"{copy}.npz"]
    assert (
      store(name=f"other-{name}", cache_dir=str(cache)).reuse() == f"{cache}/{copy}"
    )

  def test_a_copy_that_lacks_a_file_is_none(self, store, tmp_path):
    cache = tmp_path / "cache"
    fill(store(cache_dir=str(cache)))
    (cache / "k1.npz").unlink()
    assert store(name="other", cache_dir=str(cache)).reuse() is None
    assert not (tmp_path / "other").exists()
