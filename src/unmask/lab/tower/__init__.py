"""CLIP's image tower, to be frozen.

A tower that has seen 400 million pictures tells what the few thousand that we can train on do not
(Ojha et al. 2023, "Towards universal fake image detectors"; Koutlis and Papadopoulos 2024, RINE, on
its earlier blocks).
"""
