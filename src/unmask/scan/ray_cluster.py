"""Reach a Ray cluster, or start one on this machine."""

from __future__ import annotations

import os
from typing import Any

import ray


def connect(address: str | None, *, cpus: int | None = None) -> None:
    """Connect this process to a cluster.

    Args:
        address: The cluster's; None to start one on this machine, which ends with this process.
        cpus: Cores that a cluster started here offers; None for all.

    Raises:
        ValueError: There is no cluster at the address.
    """
    # Ray would hide GPUs from actors that ask for none, and warns about it.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    own: dict[str, Any] = {} if address else {"num_cpus": cpus, "include_dashboard": False}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"There is no Ray cluster at {address or 'hand'}: {reason}") from None
