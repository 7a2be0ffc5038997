"""Faces: found by BlazeFace on ONNX Runtime, and judged one by one.

from unmask.faces.finder import FaceFinder

for face in FaceFinder().find(pixels):  # uint8 RGB, (height, width, 3)
    print(face.box, face.score)
"""
