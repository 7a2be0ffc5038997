"""The lab: everything that needs labelled pictures.

The data flows through its folders in this order::

    data/       pictures and their labels: manifest, index, audit, shortcuts
    train/      networks are trained, and exported
    tower/      CLIP's image tower, frozen, is given heads and exported
    recipes/    whole configurations by name
    calibrate/  numbers are made to mean what they say, on validation alone
    evaluate/   models are judged
    left_out/   recipes are judged on generators and sources never seen
    robustness/ models are judged on degraded pictures

Nothing outside this folder and ``cli/make/`` imports it; it alone needs the extra ``train``.
"""
