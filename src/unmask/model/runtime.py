"""How ONNX Runtime is to run: on one core, quietly, and without cutting sums of products off."""

from __future__ import annotations

import base64
import os
from functools import cache

import numpy as np
import onnxruntime as ort

_LARGEST, _TERMS = 255 * 127, 64
# x (uint8, 4 x 64) times a matrix of 127s (int8, 64 x 16), by MatMulInteger; `onnx.load` reads it.
_PROBE = base64.b64decode(
    "CAg6rAEKOAoFc2hhcGUSBndlaWdodCIPQ29uc3RhbnRPZlNoYXBlKhYKBXZhbHVlKgoIARADKgF/QgF2oAEECh0KAXgK"
    "BndlaWdodBIBeSINTWF0TXVsSW50ZWdlchIIb3ZlcmZsb3cqHQgCEAdCBXNoYXBlShBAAAAAAAAAABAAAAAAAAAAWhMK"
    "AXgSDgoMCAISCAoCCAQKAghAYhMKAXkSDgoMCAYSCAoCCAQKAggQQgQKABAN"
)
_EXACT = ("session.x64quantprecision", "1")


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def session_options() -> ort.SessionOptions:
    """Return options for a session that runs on one core and gives the same answer everywhere."""
    options = _plain()
    if saturates():
        options.add_session_config_entry(*_EXACT)
    return options


@cache
def saturates() -> bool:
    """Whether ONNX Runtime cuts sums of 8-bit products off on this processor unless told not to.

    On x86 processors without VNNI it adds pairs of products in 16 bits, where large ones do not
    fit; the shipped model's answers are worthless then. The way around is slower, and much slower
    on processors that do not need it, so that it is tried on one product what this one does.
    """
    session = ort.InferenceSession(_PROBE, _plain(), providers=["CPUExecutionProvider"])
    (product,) = session.run(None, {"x": np.full((4, _TERMS), 255, dtype=np.uint8)})
    return bool(np.any(product != _LARGEST * _TERMS))


def _plain() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return options
