"""Which devices a run computes on, and what it says where they are not there."""

import json
import os
import pathlib
import subprocess
import sys
import types

import pytest
import tensorflow as tf

from bert_ja import distribution

RuntimeConfig = distribution.RuntimeConfig

# Devices can be chosen only before TensorFlow has started: in a process of its own.
_CHOOSE = """
import json
import tensorflow as tf
from bert_ja import distribution

facts = {}
strategy = distribution.create_strategy(distribution.RuntimeConfig())
facts["is_default"] = strategy is tf.distribute.get_strategy()
facts["replicas"] = strategy.num_replicas_in_sync
facts["inter_op_threads"] = tf.config.threading.get_inter_op_parallelism_threads()
facts["intra_op_threads"] = tf.config.threading.get_intra_op_parallelism_threads()
try:
  distribution.create_strategy(distribution.RuntimeConfig(use_tpu=True))
except ValueError as error:
  facts["tpu_error"] = str(error)
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def chosen():
  """{fact: value} of a process without TPU and GPU."""
  done = subprocess.run(
    [sys.executable, "-c", _CHOOSE],
    cwd=pathlib.Path(__file__).parents[1],
    env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CONFIG": "{}"},
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert done.returncode == 0, done.stderr
  return json.loads(done.stdout.splitlines()[-1])


class TestRuntimeConfig:
  @pytest.mark.parametrize(
    ("settings", "address"),
    [
      ({}, None),
      ({"tpu_name": "pod"}, "pod"),
      ({"master": "grpc://10.0.0.2:8470"}, "grpc://10.0.0.2:8470"),
      ({"tpu_name": "pod", "master": "grpc://10.0.0.2:8470"}, "pod"),
    ],
  )
  def test_the_older_flag_gives_the_address_too(self, settings, address):
    assert RuntimeConfig(**settings).tpu_address == address

  @pytest.mark.parametrize("name", [None, "", "local"])
  def test_the_tpu_of_this_machine_is_not_remote(self, name):
    assert not RuntimeConfig(use_tpu=True, tpu_name=name).tpu_is_remote

  def test_a_named_tpu_is_remote(self):
    assert RuntimeConfig(use_tpu=True, tpu_name="pod").tpu_is_remote

  def test_a_name_alone_does_not_use_it(self):
    assert not RuntimeConfig(tpu_name="pod").tpu_is_remote


class TestCheckPaths:
  remote = RuntimeConfig(use_tpu=True, tpu_name="pod")

  def test_a_local_path_of_a_remote_tpu_is_refused(self):
    with pytest.raises(
      ValueError, match=r"--output_dir=/tmp/out is a local path.*TPU pod .*gs://"
    ):
      distribution.check_paths(
        self.remote, {"data_dir": "gs://bucket/data", "output_dir": "/tmp/out"}
      )

  def test_buckets_and_flags_without_a_path_pass(self):
    distribution.check_paths(
      self.remote, {"output_dir": "gs://bucket/out", "init_checkpoint": None, "x": ""}
    )

  @pytest.mark.parametrize(
    "runtime",
    [
      RuntimeConfig(),
      RuntimeConfig(tpu_name="pod"),
      RuntimeConfig(use_tpu=True),
      RuntimeConfig(use_tpu=True, tpu_name="local"),
    ],
  )
  def test_local_paths_pass_where_the_devices_are_local(self, runtime):
    distribution.check_paths(runtime, {"output_dir": "/tmp/out"})


class TestNumWorkers:
  def workers(self, monkeypatch, value):
    if not isinstance(value, str):
      value = json.dumps(value)
    monkeypatch.setenv("TF_CONFIG", value)
    return distribution.num_workers()

  def test_is_one_without_a_cluster(self, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert distribution.num_workers() == 1

  @pytest.mark.parametrize(
    ("cluster", "count"),
    [
      ({}, 1),
      ({"worker": ["a:1"]}, 1),
      ({"worker": ["a:1", "b:1", "c:1"]}, 3),
      ({"chief": ["a:1"], "worker": ["b:1", "c:1"]}, 3),
      ({"chief": ["a:1"]}, 1),
      ({"worker": ["a:1", "b:1"], "evaluator": ["c:1"]}, 2),
    ],
  )
  def test_counts_workers_and_the_chief(self, monkeypatch, cluster, count):
    assert self.workers(monkeypatch, {"cluster": cluster}) == count

  @pytest.mark.parametrize("value", ["", "{}", '{"task": {"index": 0}}'])
  def test_is_one_where_no_cluster_is_named(self, monkeypatch, value):
    assert self.workers(monkeypatch, value) == 1

  def test_what_is_no_json_is_refused(self, monkeypatch):
    with pytest.raises(ValueError, match=r"TF_CONFIG is not JSON \("):
      self.workers(monkeypatch, "{'cluster'")


class TestIsChief:
  def of_task(self, task_type, task_id, jobs=("worker",)):
    cluster = tf.train.ClusterSpec(
      {job: ["a:1", "b:1"][: 1 + (job == "worker")] for job in jobs}
    )
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
      cluster, task_type=task_type, task_id=task_id
    )
    return distribution.is_chief(types.SimpleNamespace(cluster_resolver=resolver))

  def test_a_single_process_is(self):
    assert distribution.is_chief(tf.distribute.get_strategy())

  def test_the_first_of_several_workers_is(self):
    assert self.of_task("worker", 0)
    assert not self.of_task("worker", 1)

  def test_a_worker_beside_a_chief_is_not(self):
    jobs = ("chief", "worker")
    assert self.of_task("chief", 0, jobs)
    assert not self.of_task("worker", 0, jobs)

  def test_a_process_without_a_task_is(self):
    assert self.of_task("", 0)


class TestCreateStrategy:
  def test_one_cpu_is_the_default_strategy(self, chosen):
    assert chosen["is_default"]
    assert chosen["replicas"] == 1

  def test_operations_of_one_cpu_run_one_after_the_other_on_all_cores(self, chosen):
    assert chosen["inter_op_threads"] == 1
    assert chosen["intra_op_threads"] == 0

  def test_a_missing_tpu_is_named_with_the_flags(self, chosen):
    assert "--use_tpu: no TPU answers at local (" in chosen["tpu_error"]
    assert "check --tpu_name" in chosen["tpu_error"]

  def gpus(self, monkeypatch, count):
    """Makes TensorFlow say that there are GPUs."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    grown = []
    monkeypatch.setattr(
      tf.config,
      "list_physical_devices",
      lambda kind: [f"{kind}:{i}" for i in range(count)],
    )
    monkeypatch.setattr(
      tf.config.experimental,
      "set_memory_growth",
      lambda device, enable: grown.append((device, enable)),
    )
    return grown

  def test_more_gpus_than_there_are_is_refused(self, monkeypatch):
    self.gpus(monkeypatch, 2)
    with pytest.raises(ValueError, match=r"--num_devices=3, but 2 GPU\(s\)"):
      distribution.create_strategy(RuntimeConfig(num_devices=3))

  @pytest.mark.parametrize(("num_devices", "used"), [(0, 2), (2, 2)])
  def test_all_gpus_are_mirrored(self, monkeypatch, num_devices, used):
    grown = self.gpus(monkeypatch, 2)
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda devices: devices)
    devices = distribution.create_strategy(RuntimeConfig(num_devices=num_devices))
    assert devices == [f"GPU:{index}" for index in range(used)]
    assert grown == [("GPU:0", True), ("GPU:1", True)]

  @pytest.mark.parametrize(("there", "num_devices"), [(1, 0), (2, 1)])
  def test_one_gpu_is_not_mirrored(self, monkeypatch, there, num_devices):
    self.gpus(monkeypatch, there)
    monkeypatch.setattr(tf.distribute, "OneDeviceStrategy", lambda device: device)
    runtime = RuntimeConfig(num_devices=num_devices)
    assert distribution.create_strategy(runtime) == "GPU:0"

  def test_several_workers_come_before_several_gpus(self, monkeypatch):
    self.gpus(monkeypatch, 2)
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}}')
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda: "workers")
    assert distribution.create_strategy(RuntimeConfig()) == "workers"


class TestDeviceKinds:
  def test_the_default_strategy_is_no_tpu(self):
    assert not distribution.is_tpu(tf.distribute.get_strategy())

  @pytest.mark.parametrize("gpus", [[], ["GPU:0"]])
  def test_replicas_are_on_cpu_where_there_is_no_gpu(self, monkeypatch, gpus):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    assert distribution.on_cpu(tf.distribute.get_strategy()) == (not gpus)
