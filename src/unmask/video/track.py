"""Follow faces from one judged frame to the next, by overlap alone.

A face is the same as in the frame before where the boxes overlap enough (IoU). Between frames a
second apart that holds for people who stay where they are, as in interviews and speeches; a face
that crosses the picture becomes several tracks, and a cut to another face in the same place joins
two into one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FaceBox = tuple[int, int, int, int]
_SAME = 0.3
_PATIENCE = 2


@dataclass
class Track:
    """One face over time.

    Attributes:
        number: From 0, in order of appearance.
        times: Seconds of the frames it was seen in.
        boxes: Where it was.
        p_fakes: What was said of it, where it was large enough to be judged.
    """

    number: int
    times: list[float] = field(default_factory=list)
    boxes: list[FaceBox] = field(default_factory=list)
    p_fakes: list[float] = field(default_factory=list)


class Tracker:
    """Joins the faces of successive frames into tracks."""

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self._missed: dict[int, int] = {}

    def add(self, time: float, boxes: list[FaceBox], p_fakes: list[float | None]) -> None:
        """Take the faces of the next frame, the best overlaps first."""
        pairs = sorted(
            (
                (iou(self.tracks[number].boxes[-1], box), number, place)
                for number in self._missed
                for place, box in enumerate(boxes)
            ),
            reverse=True,
        )
        taken: dict[int, int] = {}
        for overlap, number, place in pairs:
            if overlap >= _SAME and number not in taken.values() and place not in taken:
                taken[place] = number
        for number in list(self._missed):
            self._missed[number] += 1
            if self._missed[number] > _PATIENCE and number not in taken.values():
                del self._missed[number]
        for place, (box, p_fake) in enumerate(zip(boxes, p_fakes, strict=True)):
            number = taken.get(place, len(self.tracks))
            if number == len(self.tracks):
                self.tracks.append(Track(number))
            self._missed[number] = 0
            track = self.tracks[number]
            track.times.append(time)
            track.boxes.append(box)
            if p_fake is not None:
                track.p_fakes.append(p_fake)


def iou(one: FaceBox, other: FaceBox) -> float:
    """Return the intersection over the union of two boxes, in [0, 1]."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)
