"""Where a run computes: from settings to a `tf.distribute.Strategy`."""

import contextlib
import ctypes
import dataclasses
import json
import os
from collections.abc import Mapping

import tensorflow as tf
from absl import logging

from bert_ja import text_io


@dataclasses.dataclass(frozen=True)
class RuntimeConfig:
  """What the runtime flags say (contract A-7).

  Attributes:
    use_tpu: compute on a TPU.
    tpu_name: name or grpc:// address of a TPU; "local" or None for this machine's.
    tpu_zone: its zone; None asks the metadata server.
    gcp_project: its project; None asks the metadata server.
    master: grpc:// address, an older way to say `tpu_name`.
    num_tpu_cores: cores that are expected.
    num_devices: devices to use; 0 for all GPUs, or one CPU device.
  """

  use_tpu: bool = False
  tpu_name: str | None = None
  tpu_zone: str | None = None
  gcp_project: str | None = None
  master: str | None = None
  num_tpu_cores: int = 8
  num_devices: int = 0

  @property
  def tpu_address(self) -> str | None:
    return self.tpu_name or self.master

  @property
  def tpu_is_remote(self) -> bool:
    """Whether the TPU's worker is another machine, which sees no local files."""
    return self.use_tpu and self.tpu_address not in (None, "", "local")


def check_paths(runtime: RuntimeConfig, paths: Mapping[str, str | None]) -> None:
  """Refuses local paths where the TPU's worker has to read them (A-171).

  Args:
    runtime: where the run computes.
    paths: flag name -> path.

  Raises:
    ValueError: a path is local and the TPU is not.
  """
  if not runtime.tpu_is_remote:
    return
  for flag, path in paths.items():
    if path and not text_io.is_remote(path):
      raise ValueError(
        f"--{flag}={path} is a local path, which the TPU {runtime.tpu_address} cannot "
        "read; copy it to a bucket and give its gs:// path"
      )


def create_strategy(runtime: RuntimeConfig) -> tf.distribute.Strategy:
  """Chooses devices; call before anything is computed.

  TPU with `use_tpu`; several workers where TF_CONFIG names more than one; mirrored
  over several GPUs or logical CPU devices; else one device.

  Raises:
    ValueError: devices or cores were asked for that are not there.
  """
  if runtime.use_tpu:
    return _tpu_strategy(runtime)
  gpus = tf.config.list_physical_devices("GPU")
  for gpu in gpus:
    tf.config.experimental.set_memory_growth(gpu, True)
  if num_workers() > 1:
    return tf.distribute.MultiWorkerMirroredStrategy()
  if gpus:
    return _mirrored(gpus, runtime.num_devices or len(gpus))
  if runtime.num_devices > 1:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
      cpu, [tf.config.LogicalDeviceConfiguration()] * runtime.num_devices
    )
    return tf.distribute.MirroredStrategy(
      [f"CPU:{index}" for index in range(runtime.num_devices)]
    )
  _keep_freed_memory()
  # With more than one, operations finish in varying order and sums of gradients
  # vary in their last bit; the operations themselves still use all cores.
  try:
    tf.config.threading.set_inter_op_parallelism_threads(1)
  except RuntimeError:
    logging.warning(
      "TensorFlow has computed already, so a repeated run may differ in the last bit; "
      "choose the devices first."
    )
  return tf.distribute.get_strategy()


def num_workers() -> int:
  """Workers that TF_CONFIG names; 1 without it."""
  try:
    settings = json.loads(os.environ.get("TF_CONFIG") or "{}")
  except json.JSONDecodeError as error:
    raise ValueError(f"TF_CONFIG is not JSON ({error})") from None
  if not isinstance(settings, dict):
    raise ValueError(f"TF_CONFIG is {settings!r}; expected a JSON object")
  cluster = settings.get("cluster", {})
  return max(1, len(cluster.get("worker", [])) + len(cluster.get("chief", [])))


def is_chief(strategy: tf.distribute.Strategy) -> bool:
  """Whether this process writes the run's files."""
  resolver = strategy.cluster_resolver
  if resolver is None or not resolver.task_type:
    return True
  if resolver.task_type == "worker":
    has_chief = "chief" in resolver.cluster_spec().as_dict()
    return resolver.task_id == 0 and not has_chief
  return resolver.task_type == "chief"


def is_tpu(strategy: tf.distribute.Strategy) -> bool:
  return isinstance(strategy, tf.distribute.TPUStrategy)


def on_cpu(strategy: tf.distribute.Strategy) -> bool:
  """Whether the replicas compute on CPU devices."""
  return not is_tpu(strategy) and not tf.config.list_physical_devices("GPU")


def _keep_freed_memory():
  """Has memory that a step frees kept for the next step.

  The C library returns the large blocks to the system, which has to clear them again:
  some hundredths of a step's time. TensorFlow's own allocator keeps them; its setting
  is read when the devices are made, and one in the environment stays. What does not
  come from it is kept by glibc; elsewhere nothing happens.
  """
  os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
  # Its own limit is 64 GiB, whatever the machine has.
  with contextlib.suppress(AttributeError, OSError, ValueError):
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    os.environ.setdefault("TF_CPU_BFC_MEM_LIMIT_IN_MB", str(memory >> 20))
  trim_threshold, mmap_max = -1, -4  # numbers of malloc.h
  with contextlib.suppress(AttributeError, OSError):
    library = ctypes.CDLL(None)
    library.mallopt(trim_threshold, 2**31 - 1)
    library.mallopt(mmap_max, 0)


def _mirrored(gpus, count):
  if count > len(gpus):
    raise ValueError(f"--num_devices={count}, but {len(gpus)} GPU(s) are visible")
  if count == 1:
    return tf.distribute.OneDeviceStrategy("GPU:0")
  return tf.distribute.MirroredStrategy([f"GPU:{index}" for index in range(count)])


def _tpu_strategy(runtime):
  try:
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
      tpu=runtime.tpu_address or "local",
      zone=runtime.tpu_zone,
      project=runtime.gcp_project,
    )
    if runtime.tpu_is_remote:
      tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
  except (ValueError, tf.errors.OpError) as error:
    raise ValueError(
      f"--use_tpu: no TPU answers at {runtime.tpu_address or 'local'} ({error}); "
      "check --tpu_name, or leave --use_tpu away"
    ) from None
  strategy = tf.distribute.TPUStrategy(resolver)
  if strategy.num_replicas_in_sync != runtime.num_tpu_cores:
    logging.warning(
      "The TPU has %d cores, --num_tpu_cores says %d; using those it has.",
      strategy.num_replicas_in_sync,
      runtime.num_tpu_cores,
    )
  return strategy
