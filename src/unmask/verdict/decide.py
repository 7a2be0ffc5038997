"""The rules by which the pixels' call and what the file says of itself become one verdict.

1. The pixels give p(fake) and a call. Neither number is ever changed by metadata.
2. A decisive finding, which only an intact credential that says 'AI' can be, makes the verdict
   ``fake``.
3. A strong finding for AI (a prompt, a generator's name, an unsigned AI label) is forgeable, so it
   tips the balance and no more: ``unsure`` becomes ``fake``, and ``real`` becomes ``unsure``. Where
   the user set a threshold, and with it asked for no ``unsure``, it changes nothing.
4. Nothing else moves the verdict. A credential or a field that says 'camera' never makes a picture
   ``real``, and a file that says nothing of itself is judged as if metadata did not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from unmask.evidence.finding import Finding
from unmask.verdict.verdict import Call, DecidedBy


class Judgement(NamedTuple):
    """A verdict and what it rests on.

    Attributes:
        call: The verdict.
        decided_by: ``pixels``, or what overrode them.
    """

    call: Call
    decided_by: DecidedBy


def judge(pixels: Call, evidence: Iterable[Finding], *, forced: bool = False) -> Judgement:
    """Weigh the evidence.

    Args:
        pixels: The call from pixels alone.
        evidence: The findings on the file.
        forced: Whether the user set a threshold, so that nothing may be ``unsure``.
    """
    strengths = {one.strength for one in evidence if one.says == "ai"}
    if "decisive" in strengths:
        return Judgement("fake", "credential")
    if "strong" in strengths and not forced and pixels != "fake":
        return Judgement("fake" if pixels == "unsure" else "unsure", "metadata")
    return Judgement(pixels, "pixels")
