"""Write a report as one self-contained page of HTML: no script, no link, no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib.util import find_spec

from unmask.evidence.finding import Finding
from unmask.report.gather import Report
from unmask.report.html import bullets, document, image, table
from unmask.verdict.table import printable
from unmask.verdict.verdict import FaceVerdict, Verdict
from unmask.video.output import timeline_plot
from unmask.video.verdict import VideoVerdict

_CALLS = {
    "real": "No sign of AI was found",
    "fake": "Made or altered by AI",
    "unsure": "No call: unmask is unsure",
}
_RESTS_ON = {
    "pixels": "The verdict rests on the pixels alone.",
    "credential": "The verdict rests on the file's Content Credentials, whatever the pixels say.",
    "metadata": "The file says of itself that it is AI-made, which tipped the verdict; anyone "
    "could have written that into it.",
}
_STRENGTHS = {
    "decisive": "decides",
    "strong": "tips the balance",
    "weak": "is only told",
    "none": "is only told",
}
_LIMITS = (
    "A verdict is a first, fallible opinion and no proof, in neither direction.",
    "Generators and cameras unlike those that the model has met are judged worse than others.",
    "Polished, retouched or heavily compressed photographs get called fake more often.",
    "A file that says nothing of itself is no likelier to be fake: most services strip metadata.",
)


def render(report: Report) -> str:
    """Return the page."""
    return document(f"{printable(report.name)}: report of unmask", _parts(report))


def _parts(report: Report) -> Iterator[str]:
    found = report.picture or report.video
    if found is None:
        return
    yield f"<h1>{escape(printable(report.name))}</h1>"
    yield (
        f'<p class="soft">Report of {report.made:%Y-%m-%d %H:%M} UTC by unmask '
        f"{escape(report.version)}, model {escape(report.scale.card.name)}.</p>"
    )
    yield _verdict(report, found)
    if report.picture:
        yield from _picture(report, report.picture)
    if report.video:
        yield from _video(report, report.video)
    yield "<h2>What the file says of itself</h2>"
    yield _evidence(found.evidence)
    yield "<h2>What this report cannot say</h2>"
    yield bullets(_LIMITS)
    yield "<h2>The model</h2>"
    yield _model(report)
    yield "<h2>To identify file and model</h2>"
    yield table(
        ("", ""),
        (
            ("File, SHA-256", f"<code>{report.sha256}</code>"),
            ("File, size", f"{report.size:,} bytes"),
            ("Picture", f"{report.width} x {report.height} pixels"),
            ("Model, SHA-256", f"<code>{report.scale.card.sha256}</code>"),
            ("unmask", escape(report.version)),
            ("Made", f"{report.made:%Y-%m-%d %H:%M:%S} UTC"),
        ),
    )


def _verdict(report: Report, found: Verdict | VideoVerdict) -> str:
    call = found.verdict or "unsure"
    p_fake = found.p_fake or 0.0
    spread = ""
    if isinstance(found, VideoVerdict) and found.interval:
        low, high = found.interval
        spread = f" ({low:.4f} to {high:.4f} had other frames been looked at)"
    reason = f" What keeps it unsure: {found.reason}." if found.reason else ""
    cuts = report.scale.band
    band = (
        f"Under {cuts.real_below:.4f} pixels are called real, from {cuts.fake_from:.4f} on "
        "fake, and unsure between."
        if cuts.real_below < cuts.fake_from
        else f"From {cuts.fake_from:.4f} on pixels are called fake."
    )
    return (
        f'<div class="verdict {call}"><b>{_CALLS[call]}</b>'
        f"p(fake) from the pixels: {p_fake:.4f}{spread}. {band} "
        f"{_RESTS_ON[found.decided_by or 'pixels']}{reason}</div>"
    )


def _picture(report: Report, found: Verdict) -> Iterator[str]:
    yield '<div class="two">'
    caption = "The picture" + (", with the faces that were found" if found.faces else "")
    boxes = "".join(_box(place, face, report) for place, face in enumerate(found.faces or (), 1))
    yield (
        f'<figure><div class="framed">{image(report.shown, "image/jpeg", caption)}'
        f'<svg viewBox="0 0 {report.width} {report.height}" aria-hidden="true">{boxes}</svg>'
        f"</div><figcaption>{caption}.</figcaption></figure>"
    )
    if report.heatmap:
        yield _heatmap(report, "The picture")
    yield "</div>"
    if found.category:
        yield (
            f"<p>It shows: {escape(found.category.replace('_', ' '))} (confidence "
            f"{found.category_confidence or 0:.2f}).</p>"
        )
    if found.faces is not None:
        yield "<h2>Faces</h2>"
        yield from _faces(found.faces, has_say=report.scale.face_cut is not None)


def _box(place: int, face: FaceVerdict, report: Report) -> str:
    left, top, right, bottom = face.box
    size = max(report.width, report.height) / 28
    return (
        f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}"/>'
        f'<text x="{left}" y="{max(size, top - size / 4):.0f}" font-size="{size:.0f}" '
        f'stroke-width="{size / 8:.1f}">{place}</text>'
    )


def _faces(faces: Sequence[FaceVerdict], *, has_say: bool) -> Iterator[str]:
    if not faces:
        yield "<p>No face was found.</p>"
        return
    say = (
        "but is never real over a face that looks made"
        if has_say
        else "and does not depend on these numbers"
    )
    yield (
        "<p>Each face was also judged by itself. The verdict above is that of the whole picture, "
        f"{say}.</p>"
    )
    rows = (
        (
            str(place),
            "too small to judge" if face.p_fake is None else f"{face.p_fake:.4f}",
            f"{face.score:.2f}",
            f"{face.box[2] - face.box[0]} x {face.box[3] - face.box[1]} pixels",
        )
        for place, face in enumerate(faces, 1)
    )
    yield table(("face", "p(fake)", "sure that it is a face", "size"), rows)


def _heatmap(report: Report, what: str) -> str:
    caption = (
        f"{what} as the model sees it: red speaks for fake, blue against it. It shows what weighed "
        "for the model, not what was altered."
    )
    return (
        f"<figure>{image(report.heatmap, 'image/png', caption)}"
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _video(report: Report, found: VideoVerdict) -> Iterator[str]:
    if found.notes:
        yield bullets(escape(note) for note in found.notes)
    yield "<h2>Timeline</h2>"
    yield (
        f"<p>{len(found.frames)} frames of {found.duration or 0:.1f} seconds were judged "
        f"({escape(found.codec)}, {report.width} x {report.height} pixels).</p>"
    )
    if find_spec("matplotlib"):
        plot = timeline_plot(found, threshold=report.scale.shown_threshold)
        yield image(plot, "image/png", "p(fake) over time")
    if found.segments:
        yield "<p>Stretches that look rather fake than real:</p>"
        yield table(
            ("from", "to", "p(fake)"),
            (
                (f"{one.start:.1f} s", f"{one.end:.1f} s", f"{one.p_fake:.4f}")
                for one in found.segments
            ),
        )
    else:
        yield "<p>No stretch of it looks rather fake than real.</p>"
    if found.moments:
        yield "<h2>Where it looks most fake</h2>"
        yield '<div class="moments">'
        for moment in found.moments:
            said = f"{moment.time:.1f} s, p(fake) {moment.p_fake:.4f}"
            yield (
                f"<figure>{image(moment.jpeg, 'image/jpeg', said)}"
                f"<figcaption>{said}</figcaption></figure>"
            )
        yield "</div>"
        if report.heatmap:
            yield f'<div class="two">{_heatmap(report, "The first of these moments")}</div>'
    if found.tracks:
        yield "<h2>Faces</h2>"
        yield "<p>Faces are followed by the overlap of their boxes alone, the longest first.</p>"
        longest = sorted(found.tracks, key=lambda track: -len(track.times))[:20]
        yield table(
            ("from", "to", "frames", "mean p(fake)"),
            (
                (
                    f"{track.times[0]:.1f} s",
                    f"{track.times[-1]:.1f} s",
                    str(len(track.times)),
                    f"{sum(track.p_fakes) / len(track.p_fakes):.4f}"
                    if track.p_fakes
                    else "too small to judge",
                )
                for track in longest
            ),
        )


def _evidence(evidence: Sequence[Finding]) -> str:
    if not evidence:
        return "<p>The file says nothing of itself. That speaks for nothing.</p>"
    rows = ((escape(one.source), _told(one), _STRENGTHS[one.strength]) for one in evidence)
    return table(("where", "what", "weight"), rows)


def _told(one: Finding) -> str:
    details = "; ".join(f"{escape(key)}: {escape(value)}" for key, value in one.details.items())
    return escape(one.text) + (f"<small>{details}</small>" if details else "")


def _model(report: Report) -> str:
    card = report.scale.card
    rows = [
        ("Name", escape(card.name)),
        ("Exported", escape(card.created)),
        ("Meant for", escape(card.intended_use)),
        ("Licence of the weights", escape(card.licence)),
    ]
    for figure in card.test:
        if figure.slice == "overall":
            accuracy, auc = figure.accuracy, figure.auc
            rows.append(
                (
                    "On its test pictures",
                    (figure.headline or f"{accuracy[0]:.1%} right calls where one is forced.")
                    + (f" AUC {auc[0]:.3f}" if auc else "")
                    + f", on {figure.real + figure.fake} pictures",
                )
            )
    if card.unseen and card.unseen.wrong:
        wrong, auc = card.unseen.wrong, card.unseen.auc
        rows.append(
            (
                "On generators never met",
                f"{wrong[0]:.0%} of its answers, real or fake, were wrong ({wrong[1]:.0%} to "
                f"{wrong[2]:.0%}), AUC {auc[0]:.2f}, on {card.unseen.real} photos and "
                f"{card.unseen.fake} fakes by {card.unseen.generators} generators",
            )
        )
    promise = report.scale.judged_band.most_wrong
    if promise is not None:
        rows.append(
            ("Promise", f"At most {promise:.0%} of its answers, real or fake, are wrong on "
             "pictures like its validation pictures.")
        )  # fmt: skip
    sources = ", ".join(f"{one.source} ({one.pictures})" for one in card.training_data)
    if sources:
        rows.append(("Trained on", escape(sources)))
    return table(("", ""), rows)
