"""Explanation: which parts of a picture speak for the answer, as a map and as a heatmap.

    from unmask import Detector, explain

    detector = Detector()
    found = explain(detector, "photo.jpg")            # anything that Detector.detect takes
    found = explain(detector, detector.examine(data))  # or a picture that it has examined
    found = explain(detector, data, head="category")  # why it shows what it shows
    found = explain(detector, data, method="occlusion")

    found.png()                # bytes of a PNG at the picture's own size, with a colour bar
    found.png(longest=1024)    # at most so many pixels a side, for pages and thumbnails
    found.map()                # float32 (height, width) at the picture's own size
    found.map(480, 640)        # the same at another size
    found.save_map("map.npy")  # row by row: never more than a band of it in memory
    found.target, found.logit, found.bias

What the map means: with the method ``cam``, ``found.map().mean() + found.bias`` is ``found.logit``,
so that a value says by how much the logit would differ from the bias if all of the picture were as
this place is. With ``occlusion`` a value says by how much the logit falls where the place is
hidden. Positive values speak for the target, negative ones against it, and zero is what no view
shows. `Explanation` has the derivation, `methods` what there is besides.
"""

from unmask.heatmap.explainer import Head, explain
from unmask.heatmap.explanation import Explanation
from unmask.heatmap.methods import CAM, OCCLUSION

__all__ = ["CAM", "OCCLUSION", "Explanation", "Head", "explain"]
