"""One report on one file: everything that unmask can say of it, in one HTML file to be filed.

from unmask import Detector
from unmask.report.gather import gather
from unmask.report.report_page import render

html = render(gather("photo.jpg", Detector(faces=True)))  # a path or bytes
"""
