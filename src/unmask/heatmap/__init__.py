"""Explanation: which parts of a picture speak for the answer, as a map and as a heatmap.

The whole interface, for the command line, the web service and the report alike::

    from unmask import Detector
    from unmask.heatmap import explain

    detector = Detector()
    found = explain(detector, "photo.jpg")            # anything that Detector.detect takes
    found = explain(detector, data, head="category")  # why it shows what it shows
    found = explain(detector, data, method="gradcam++")

    found.png()                # bytes of a PNG at the picture's own size, with a colour bar
    found.png(longest=1024)    # at most so many pixels a side, for pages and thumbnails
    found.map()                # float32 (height, width) at the picture's own size
    found.map(480, 640)        # the same at another size
    found.save_map("map.npy")  # row by row: never more than a band of it in memory
    found.target, found.logit, found.bias

`explain` raises `PictureError` for a picture that cannot be read, `ModelError` for a model without
the outputs that it needs and `ValueError` for a method, head or category that does not exist; all
are ValueErrors whose message is one sentence for the user.

What the map means: with the method ``cam``, ``found.map().mean() + found.bias`` is ``found.logit``,
so that a value says by how much the logit would differ from the bias if all of the picture were as
this place is. Positive values speak for the target, negative ones against it, and zero is what no
view shows. `Explanation` has the derivation, `methods` that of the other maps.
"""

from unmask.heatmap.explainer import Head, explain
from unmask.heatmap.explanation import Explanation
from unmask.heatmap.methods import METHODS, Method

__all__ = ["METHODS", "Explanation", "Head", "Method", "explain"]
