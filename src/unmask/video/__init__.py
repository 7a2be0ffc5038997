"""Moving pictures: frames are sampled, judged as pictures are, and pooled into one verdict.

    from unmask import VideoDetector

    found = VideoDetector().detect("clip.mp4")
    print(found.verdict, found.p_fake, found.interval, found.segments)

Needs the extra ``media``.
"""
