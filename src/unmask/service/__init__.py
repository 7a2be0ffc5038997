"""The web service: a page for people and an API for programs, over one detector.

A request flows through these in this order, and none imports one that comes before it::

    app.py                the parts are put together
    page/                 for people: HTML, one stylesheet, small scripts
    api/                  for programs: who asks, how often, what goes out
    answer_pictures.py,   uploads become outputs, outputs are read, what goes out is remembered
    answer_videos.py
    services.py           the parts of one running service
    engine/               bytes are decoded in worker processes and answered in small batches
    store/                outputs and answers are remembered (SQLite, or PostgreSQL)
    http/                 what any request passes: hosts, origins, sizes, time, rates, headers
    settings.py           every knob
"""
