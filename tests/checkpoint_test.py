"""Variables by name; warm start, restoring, and saving that survives a kill."""

import itertools
import pathlib
import resource

import numpy as np
import pytest
import tensorflow as tf

from bert_ja import checkpoint, text_io

GOLDEN = pathlib.Path(__file__).parents[2] / "shared" / "golden" / "model"
needs_golden = pytest.mark.skipif(
  not GOLDEN.is_dir(), reason="the original's checkpoints are not on this machine"
)


class Layer(tf.Module):
  """A leaf whose attribute order is not the alphabetical one."""

  def __init__(self, size, name):
    super().__init__(name=name)
    with self.name_scope:
      self.kernel = tf.Variable(tf.ones([size, 3]), name="kernel")
      self.bias = tf.Variable(tf.zeros([3]), name="bias")


class Tower(tf.Module):
  """Children in a list, a dictionary, a tuple and in plain attributes."""

  def __init__(self, name="bert"):
    super().__init__(name=name)
    with self.name_scope:
      self.zebra = Layer(2, name="zebra")
      with tf.name_scope("encoder"):
        self.layers = [Layer(4, name=f"layer_{i}") for i in range(11)]
      self.heads = {"second": Layer(5, "second"), "first": Layer(6, "first")}
      self.apple = (Layer(7, name="apple"),)
      self.again = self.zebra


def variables(**values):
  return {name: tf.Variable(value) for name, value in values.items()}


def saved(folder, **values):
  """Prefix of a checkpoint of arrays; `__` in a keyword stands for a slash."""
  prefix = str(folder / "stored" / "bert_model.ckpt")
  arrays = {n.replace("__", "/"): np.asarray(v, np.float32) for n, v in values.items()}
  checkpoint.save(prefix, arrays)
  return prefix


def stored_steps(folder):
  return sorted(int(p.stem.split("-")[1]) for p in folder.glob("model.ckpt-*.index"))


class TestNamedVariables:
  def test_order_is_that_of_creation_not_of_the_alphabet(self):
    names = list(checkpoint.named_variables(Tower()))
    scopes = ["zebra", *(f"encoder/layer_{i}" for i in range(11))]
    scopes += ["second", "first", "apple"]
    assert names == [f"bert/{s}/{leaf}" for s in scopes for leaf in ("kernel", "bias")]
    assert names != sorted(names)

  def test_a_second_instance_has_the_same_names(self):
    first, second = (checkpoint.named_variables(Tower()) for _ in range(2))
    assert list(first) == list(second)
    assert first["bert/zebra/kernel"] is not second["bert/zebra/kernel"]

  def test_an_outer_scope_is_kept_out_by_an_empty_one(self):
    with tf.name_scope("outer"):
      leaked = checkpoint.named_variables(Tower())
      with tf.name_scope(""):
        clean = checkpoint.named_variables(Tower())
    assert next(iter(leaked)) == "outer/bert/zebra/kernel"
    assert next(iter(clean)) == "bert/zebra/kernel"

  def test_two_variables_of_one_name_are_refused(self):
    module = tf.Module()
    module.first, module.second = Layer(2, name="same"), Layer(2, name="same")
    with pytest.raises(ValueError, match="two variables are called 'same/kernel'"):
      checkpoint.named_variables(module)

  def test_a_shared_variable_counts_once(self):
    tower = Tower()
    assert tower.again is tower.zebra
    assert len(checkpoint.named_variables(tower)) == 2 * (1 + 11 + 2 + 1)

  def test_mirrored_variables_have_the_same_names(self):
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
      mirrored = checkpoint.named_variables(Tower())
    assert list(mirrored) == list(checkpoint.named_variables(Tower()))


class TestReader:
  @needs_golden
  def test_names_and_shapes_are_those_of_the_original(self):
    reader = checkpoint.open_checkpoint(str(GOLDEN / "bert_model.ckpt"))
    lines = (GOLDEN / "variable_names.txt").read_text().splitlines()
    expected = {
      name: [int(size) for size in shape.split("x")]
      for name, shape in (line.split("\t") for line in lines)
    }
    assert reader.shapes == expected
    assert all(list(reader.tensor(n).shape) == s for n, s in expected.items())

  def test_a_truncated_index_names_the_file(self, tmp_path):
    prefix = saved(tmp_path, a=[1, 2])
    path = pathlib.Path(f"{prefix}.index")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"bert_model\.ckpt\.index is damaged"):
      checkpoint.open_checkpoint(prefix)

  def test_truncated_data_names_the_file(self, tmp_path):
    prefix = saved(tmp_path, a=np.arange(40))
    path = pathlib.Path(f"{prefix}.data-00000-of-00001")
    path.write_bytes(path.read_bytes()[:-20])
    reader = checkpoint.open_checkpoint(prefix)
    with pytest.raises(ValueError, match=r"bert_model\.ckpt\.data-\* is damaged"):
      reader.tensor("a")

  def test_changed_data_names_the_file(self, tmp_path):
    prefix = saved(tmp_path, a=np.arange(40))
    path = pathlib.Path(f"{prefix}.data-00000-of-00001")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    reader = checkpoint.open_checkpoint(prefix)
    with pytest.raises(ValueError, match=r"bert_model\.ckpt\.data-\* is damaged"):
      reader.tensor("a")

  def test_a_path_that_tensorflow_takes_for_a_pattern_is_refused(self, tmp_path):
    expected = r"run\[1\]/a.ckpt: TensorFlow cannot read .* rename the directory"
    with pytest.raises(ValueError, match=expected):
      checkpoint.save(str(tmp_path / "run[1]" / "a.ckpt"), variables(a=1.0))
    with pytest.raises(ValueError, match=expected):
      checkpoint.Reader(str(tmp_path / "run[1]" / "a.ckpt"))


class TestOpenCheckpoint:
  def test_takes_a_prefix(self, tmp_path):
    prefix = saved(tmp_path, a=[1, 2])
    assert checkpoint.open_checkpoint(prefix).path == prefix

  def test_takes_a_directory_with_one_checkpoint(self, tmp_path):
    prefix = saved(tmp_path, a=[1, 2])
    assert checkpoint.open_checkpoint(str(tmp_path / "stored")).path == prefix

  def test_takes_a_directory_with_a_pointer(self, tmp_path):
    for step in (3, 20):
      checkpoint.save_step(str(tmp_path), step, variables(a=1.0), keep=5)
    reader = checkpoint.open_checkpoint(str(tmp_path))
    assert reader.path == str(tmp_path / "model.ckpt-20")

  def test_several_checkpoints_without_a_pointer_are_refused(self, tmp_path):
    for name in ("one.ckpt", "two.ckpt"):
      checkpoint.save(str(tmp_path / name), variables(a=1.0))
    with pytest.raises(ValueError, match=r"2 checkpoints \(one.ckpt, two.ckpt\)"):
      checkpoint.open_checkpoint(str(tmp_path))

  def test_one_file_of_a_checkpoint_is_answered_with_its_prefix(self, tmp_path):
    prefix = saved(tmp_path, a=[1, 2])
    with pytest.raises(ValueError, match=f"give its prefix, {prefix}$"):
      checkpoint.open_checkpoint(f"{prefix}.index")

  @pytest.mark.parametrize("name", ["", "nothing.ckpt", "nothing.safetensors"])
  def test_what_is_not_there_is_said(self, tmp_path, name):
    path = str(tmp_path / name)
    with pytest.raises(ValueError, match="no checkpoint at .*; expected a prefix"):
      checkpoint.open_checkpoint(path)


class TestInitFromCheckpoint:
  def test_loads_exact_names_and_leaves_the_rest(self, tmp_path):
    prefix = saved(tmp_path, bert__a=[1, 2], bert__b__adam_m=[3], other=[4])
    model = {
      "bert/a": tf.Variable([0.0, 0.0]),
      "bert/b": tf.Variable([7.0]),
      "output_bias": tf.Variable([8.0]),
    }
    assert checkpoint.init_from_checkpoint(prefix, model) == {"bert/a"}
    assert [v.numpy().tolist() for v in model.values()] == [[1, 2], [7], [8]]

  def test_assignment_map_has_the_variables_of_both_sides(self, tmp_path):
    prefix = saved(tmp_path, c=[1], a=[1], x=[1])
    model = variables(a=[0.0], b=[0.0], c=[0.0])
    found = checkpoint.get_assignment_map_from_checkpoint(model, prefix)
    assert list(found) == ["a", "c"]
    assert found["a"] is model["a"]

  def test_another_shape_names_variable_shapes_and_file(self, tmp_path):
    prefix = saved(tmp_path, bert__a=[1, 2], bert__w=np.ones([2, 3]))
    model = {
      "bert/a": tf.Variable([0.0, 0.0]),
      "bert/w": tf.Variable(tf.zeros([3, 2])),
    }
    expected = rf"bert/w has shape \[3, 2\] in the model but \[2, 3\] in {prefix};"
    with pytest.raises(ValueError, match=expected):
      checkpoint.init_from_checkpoint(prefix, model)
    assert model["bert/a"].numpy().tolist() == [0, 0]

  def test_no_match_names_an_example_of_both_sides(self, tmp_path):
    prefix = saved(tmp_path, theirs=[1])
    expected = f"{prefix} holds no encoder variable.*has theirs, the model has ours"
    with pytest.raises(ValueError, match=expected):
      checkpoint.init_from_checkpoint(prefix, variables(ours=[1.0]))

  def test_a_head_alone_is_no_match(self, tmp_path):
    prefix = saved(tmp_path, output_bias=[1], cnn__kernel=[1])
    model = {"bert/a": tf.Variable([1.0]), "output_bias": tf.Variable([1.0])}
    with pytest.raises(ValueError, match="no encoder variable"):
      checkpoint.init_from_checkpoint(prefix, model)

  def test_stored_half_precision_becomes_the_variable_type(self, tmp_path):
    prefix = str(tmp_path / "half.ckpt")
    checkpoint.save(prefix, {"a": np.array([0.5, 2], np.float16)})
    model = variables(a=[0.0, 0.0])
    checkpoint.init_from_checkpoint(prefix, model)
    assert model["a"].numpy().tolist() == [0.5, 2]


class TestRestore:
  def test_a_fresh_module_gets_what_another_saved(self, tmp_path):
    first, second = (checkpoint.named_variables(Tower()) for _ in range(2))
    rng = np.random.default_rng(5)
    for variable in first.values():
      variable.assign(rng.normal(size=variable.shape))
    checkpoint.save(str(tmp_path / "t.ckpt"), first)
    checkpoint.restore(str(tmp_path / "t.ckpt"), second)
    for name, variable in first.items():
      np.testing.assert_array_equal(variable.numpy(), second[name].numpy())

  def test_a_missing_name_is_an_error(self, tmp_path):
    prefix = saved(tmp_path, a=[1])
    with pytest.raises(ValueError, match=f"{prefix} lacks 2 of 3 .* among them b;"):
      checkpoint.restore(prefix, variables(a=[1.0], b=[1.0], c=[1.0]))

  @needs_golden
  def test_slots_and_step_of_the_original_come_back(self):
    prefix = str(GOLDEN / "finetuned.ckpt-12")
    slot = "bert/encoder/layer_1/output/dense/kernel/adam_v"
    model = {
      slot: tf.Variable(tf.zeros([64, 32])),
      "global_step": tf.Variable(0, dtype=tf.int64),
    }
    checkpoint.restore(prefix, model)
    assert model["global_step"].numpy() == 12
    stored = tf.train.load_variable(prefix, slot)
    np.testing.assert_array_equal(model[slot].numpy(), stored)

  def test_mirrored_variables_are_saved_and_restored(self, tmp_path):
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
      model = {"a": tf.Variable([1.0, 2.0])}
    checkpoint.save(str(tmp_path / "m.ckpt"), model)
    model["a"].assign([0.0, 0.0])
    checkpoint.restore(str(tmp_path / "m.ckpt"), model)
    assert model["a"].numpy().tolist() == [1, 2]


class TestSave:
  def test_the_saver_of_tf1_reads_it(self, tmp_path):
    prefix = saved(tmp_path, bert__kernel=np.arange(6).reshape(2, 3), output_bias=[7])
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session() as session:
      kernel = tf.compat.v1.get_variable("bert/kernel", [2, 3])
      bias = tf.compat.v1.get_variable("output_bias", [1])
      tf.compat.v1.train.Saver().restore(session, prefix)
      values = session.run([kernel, bias])
    assert values[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert values[1].tolist() == [7]

  def test_types_are_kept(self, tmp_path):
    prefix = str(tmp_path / "x.ckpt")
    checkpoint.save(prefix, {"step": np.int64(4), "x": np.ones([2], np.float32)})
    types = tf.train.load_checkpoint(prefix).get_variable_to_dtype_map()
    assert types == {"step": tf.int64, "x": tf.float32}

  @pytest.mark.parametrize(
    "name",
    ["bert/pooler/dense/bias/adam_m", "b/adam_v", "global_step", "loss_scale/current"],
  )
  def test_training_state_is_told_by_name(self, name):
    assert checkpoint.is_optimizer_state(name)

  @pytest.mark.parametrize("name", ["bert/pooler/dense/bias", "output_weights"])
  def test_weights_are_no_training_state(self, name):
    assert not checkpoint.is_optimizer_state(name)


class TestFullDisk:
  """A limit of the size of files fails as a full disk does."""

  @pytest.fixture
  def limited(self):
    """Function: from now on no file may have more bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)

  def test_it_is_told_of_the_directory_and_leaves_nothing(self, tmp_path, limited):
    big = variables(a=np.zeros(1 << 20, np.float32))
    limited(1 << 20)
    with pytest.raises(OSError, match="File too large") as caught:
      checkpoint.save_step(str(tmp_path), 1, big, keep=2)
    assert caught.value.errno in text_io.FULL_DISK
    assert caught.value.filename == str(tmp_path)
    assert list(tmp_path.iterdir()) == []

  def test_data_whose_index_does_not_fit_are_removed(self, tmp_path, limited):
    # An index holds names; its data are a byte for each.
    many = {f"{i:05}" + "n" * 200: np.zeros(1, np.int8) for i in range(2_000)}
    limited(1 << 17)
    with pytest.raises(OSError, match="File too large"):
      checkpoint.save_step(str(tmp_path), 1, many, keep=2)
    assert list(tmp_path.iterdir()) == []

  def test_older_checkpoints_stay(self, tmp_path, limited):
    directory = str(tmp_path)
    checkpoint.save_step(directory, 1, variables(a=1.0), keep=2)
    before = sorted(tmp_path.iterdir())
    limited(1 << 20)
    for step in (1, 2):
      with pytest.raises(OSError, match="File too large"):
        big = variables(a=np.zeros(1 << 20, np.float32))
        checkpoint.save_step(directory, step, big, keep=1)
    assert sorted(tmp_path.iterdir()) == before


class TestSaveStep:
  def test_the_newest_are_kept(self, tmp_path):
    for step in (0, 5, 10, 100):
      checkpoint.save_step(str(tmp_path), step, variables(a=1.0), keep=2)
    assert stored_steps(tmp_path) == [10, 100]

  @pytest.mark.parametrize("keep", [None, 0])
  def test_none_and_zero_keep_all(self, tmp_path, keep):
    for step in range(7):
      checkpoint.save_step(str(tmp_path), step, variables(a=1.0), keep)
    assert stored_steps(tmp_path) == list(range(7))

  def test_tensorflow_reads_the_pointer(self, tmp_path):
    for step in (1, 2):
      prefix = checkpoint.save_step(str(tmp_path), step, variables(a=1.0), keep=5)
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert state.model_checkpoint_path == prefix
    assert [p[-1] for p in state.all_model_checkpoint_paths] == ["1", "2"]

  def test_a_moved_directory_still_restores(self, tmp_path):
    checkpoint.save_step(str(tmp_path / "old"), 3, variables(a=[4.0]), keep=5)
    (tmp_path / "old").rename(tmp_path / "new")
    prefix = checkpoint.latest_checkpoint(str(tmp_path / "new"))
    model = variables(a=[0.0])
    checkpoint.restore(prefix, model)
    assert model["a"].numpy() == 4

  def test_files_of_other_names_are_left_alone(self, tmp_path):
    checkpoint.save(str(tmp_path / "bert_model.ckpt"), variables(a=1.0))
    (tmp_path / "model.ckpt-notes.txt").write_text("mine")
    for step in (1, 2):
      checkpoint.save_step(str(tmp_path), step, variables(a=1.0), keep=1)
    assert (tmp_path / "bert_model.ckpt.index").exists()
    assert (tmp_path / "model.ckpt-notes.txt").exists()
    assert stored_steps(tmp_path) == [2]

  def test_after_going_back_the_new_line_is_kept(self, tmp_path):
    for step in (5, 10, 15):
      checkpoint.save_step(str(tmp_path), step, variables(a=1.0), keep=3)
    lines = (tmp_path / "checkpoint").read_text().splitlines()
    lines[0] = 'model_checkpoint_path: "model.ckpt-5"'
    (tmp_path / "checkpoint").write_text("\n".join(lines))
    assert checkpoint.latest_checkpoint(str(tmp_path)).endswith("-5")
    checkpoint.save_step(str(tmp_path), 7, variables(a=1.0), keep=2)
    assert stored_steps(tmp_path) == [7, 15]
    assert checkpoint.latest_checkpoint(str(tmp_path)).endswith("-7")

  def test_saving_a_step_again_keeps_the_new_values(self, tmp_path):
    checkpoint.save_step(str(tmp_path), 4, variables(a=[1.0, 1.0]), keep=5)
    checkpoint.save_step(str(tmp_path), 4, variables(a=[2.0, 3.0]), keep=5)
    reader = checkpoint.open_checkpoint(str(tmp_path))
    assert reader.tensor("a").tolist() == [2, 3]
    assert len(list(tmp_path.iterdir())) == 3

  def test_leftovers_of_a_killed_save_are_removed(self, tmp_path):
    checkpoint.save_step(str(tmp_path), 1, variables(a=1.0), keep=5)
    for name in (
      "model.ckpt-2.data-00000-of-00001",
      "model.ckpt-2.data-00000-of-00001.tempstate123",
      "model.ckpt-3.index.tempstate9",
      "checkpoint.tmp-77",
    ):
      (tmp_path / name).write_bytes(b"part")
    checkpoint.save_step(str(tmp_path), 4, variables(a=1.0), keep=5)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
      "checkpoint",
      *(
        f"model.ckpt-{step}.{part}"
        for step in (1, 4)
        for part in ("data-00000-of-00001", "index")
      ),
    ]


class KilledError(Exception):
  """Stands for the end of the process before an operation on files."""


class TestKilled:
  """A kill before any of a save's file operations leaves a directory that restores."""

  @pytest.fixture
  def kill_before(self, monkeypatch):
    """Function that lets n file operations happen and stops the next one."""

    def arm(n):
      count = itertools.count()

      def guarded(function):
        def call(*args, **kwargs):
          if next(count) >= n:
            raise KilledError
          return function(*args, **kwargs)

        return call

      for module, name in (
        (checkpoint, "save"),
        (text_io, "copy"),
        (text_io, "remove"),
        (text_io, "write_text"),
      ):
        monkeypatch.setattr(module, name, guarded(getattr(module, name)))

    yield arm
    monkeypatch.undo()

  @pytest.mark.parametrize("n", range(8))
  @pytest.mark.parametrize("step", [30, 20], ids=["new step", "same step"])
  def test_the_directory_restores(self, tmp_path, monkeypatch, kill_before, step, n):
    for number in (10, 20):
      checkpoint.save_step(str(tmp_path), number, variables(a=[1.0, 1.0]), keep=2)
    kill_before(n)
    try:
      checkpoint.save_step(str(tmp_path), step, variables(a=[2.0, 2.0]), keep=2)
      finished = True
    except KilledError:
      finished = False
    monkeypatch.undo()
    latest = checkpoint.latest_checkpoint(str(tmp_path))
    assert latest.removesuffix(".new").endswith(("-20", "-30"))
    model = variables(a=[0.0, 0.0])
    checkpoint.restore(latest, model)
    assert model["a"].numpy().tolist() in ([1, 1], [2, 2])
    if finished:
      assert model["a"].numpy().tolist() == [2, 2]
    checkpoint.save_step(str(tmp_path), 40, model, keep=1)
    assert len(list(tmp_path.iterdir())) == 3


class TestLatestCheckpoint:
  def test_no_directory_and_an_empty_one_have_none(self, tmp_path):
    assert checkpoint.latest_checkpoint(str(tmp_path / "none")) is None
    assert checkpoint.latest_checkpoint(str(tmp_path)) is None

  def test_a_released_checkpoint_is_no_training_state(self, tmp_path):
    saved(tmp_path, a=[1])
    assert checkpoint.latest_checkpoint(str(tmp_path / "stored")) is None

  @pytest.mark.parametrize(
    "pointer",
    [
      None,
      b"",
      b'\xff\xfe\x00 garbage "',
      b'model_checkpoint_path: "model.ckpt-99"\n',
      b'model_checkpoint_path: "model.ck',
    ],
    ids=["missing", "empty", "binary", "missing files", "cut"],
  )
  def test_a_useless_pointer_gives_the_newest_complete_one(self, tmp_path, pointer):
    for step in (9, 10):
      checkpoint.save_step(str(tmp_path), step, variables(a=1.0), keep=5)
    (tmp_path / "model.ckpt-11.data-00000-of-00001").write_bytes(b"no index")
    (tmp_path / "model.ckpt-12.index").write_bytes(b"no data")
    (tmp_path / "checkpoint").unlink()
    if pointer is not None:
      (tmp_path / "checkpoint").write_bytes(pointer)
    latest = checkpoint.latest_checkpoint(str(tmp_path))
    assert latest == str(tmp_path / "model.ckpt-10")

  def test_a_missing_part_of_the_data_makes_it_incomplete(self, tmp_path):
    checkpoint.save_step(str(tmp_path), 1, variables(a=1.0), keep=5)
    for name in ("index", "data-00000-of-00002"):
      (tmp_path / f"model.ckpt-2.{name}").write_bytes(b"")
    assert checkpoint.latest_checkpoint(str(tmp_path)).endswith("-1")
    (tmp_path / "model.ckpt-2.data-00001-of-00002").write_bytes(b"")
    (tmp_path / "checkpoint").unlink()
    assert checkpoint.latest_checkpoint(str(tmp_path)).endswith("-2")

  def test_absolute_paths_of_the_original_work_after_a_move(self, tmp_path):
    checkpoint.save_step(str(tmp_path), 7, variables(a=1.0), keep=5)
    (tmp_path / "checkpoint").write_text(
      'model_checkpoint_path: "/gone/model.ckpt-7"\n'
      'all_model_checkpoint_paths: "/gone/model.ckpt-7"\n'
    )
    assert checkpoint.latest_checkpoint(str(tmp_path)).endswith("/model.ckpt-7")
