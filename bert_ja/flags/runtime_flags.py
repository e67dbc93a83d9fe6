"""Flags that say where a script computes."""

import dataclasses
from typing import Any

from absl import flags


def define(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the group."""
  flags.DEFINE_bool("use_tpu", False, "Whether to compute on a TPU.", flag_values)
  flags.DEFINE_string(
    "tpu_name", None, "TPU name or grpc:// address; 'local' for this one.", flag_values
  )
  flags.DEFINE_string("tpu_zone", None, "Zone of the TPU.", flag_values)
  flags.DEFINE_string("gcp_project", None, "Project of the TPU.", flag_values)
  flags.DEFINE_string("master", None, "grpc:// address, as --tpu_name.", flag_values)
  flags.DEFINE_integer(
    "num_tpu_cores", 8, "Cores of the TPU; with --use_tpu.", flag_values=flag_values
  )
  flags.DEFINE_integer(
    "num_devices",
    0,
    "GPUs, or logical CPU devices, to use; 0 for all GPUs, or one CPU device. Several "
    "machines are named by TF_CONFIG.",
    lower_bound=0,
    flag_values=flag_values,
  )


def read(flag_values: flags.FlagValues = flags.FLAGS) -> Any:
  """The flags as a `distribution.RuntimeConfig`."""
  from bert_ja import distribution

  return distribution.RuntimeConfig(
    **{
      field.name: flag_values[field.name].value
      for field in dataclasses.fields(distribution.RuntimeConfig)
    }
  )
