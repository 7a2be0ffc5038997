"""The web service: a page for people and an API for programs, over one detector.

A request flows through the folders in this order::

    safety/  who may ask, how often, how much: hosts, origins, sizes, time, keys, rates, headers
    api/     the request is read, the answer or a problem document goes out
    engine/  bytes are decoded in worker processes and answered in small batches
    store/   what was asked and answered is remembered (SQLite, or PostgreSQL)
    page/    the same for people: HTML, one stylesheet, small scripts

`settings.py` holds every knob, `app.py` puts the parts together.
"""
