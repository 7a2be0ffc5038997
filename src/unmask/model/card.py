"""The model card: everything that turns a network's logits into a verdict, and where it is from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unmask.model.calibration import Calibration, CalibrationName, Platt
from unmask.picture.views import ViewPlan


class ModelError(ValueError):
    """A model cannot be loaded; the message says why in one sentence.

    Example::

        from unmask import Detector, ModelError

        try:
            Detector("absent.onnx")
        except ModelError as problem:
            print(problem)
    """


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Frozen):
    """Test figures on one slice of the data, each (value, lower, upper) with a 95% interval.

    Attributes:
        slice: ``overall``, or the kind and name of the slice, as in ``generator: stylegan``.
        real: Number of real pictures.
        fake: Number of fakes.
        auc: Area under the ROC curve; None where a label is absent.
        accuracy: Share of right calls at the card's threshold.
        fpr: Share of real pictures called fake.
        fnr: Share of fakes called real.
        answered: Share of pictures with a verdict other than ``unsure``.
        wrong: Share of wrong verdicts among those; None where there are none.
        accused: Share of the real pictures with the verdict ``fake``; None where there are none.
        found: Share of the fakes with the verdict ``fake``; likewise.
    """

    slice: str
    real: int
    fake: int
    auc: tuple[float, float, float] | None
    accuracy: tuple[float, float, float]
    fpr: tuple[float, float, float] | None
    fnr: tuple[float, float, float] | None
    answered: tuple[float, float, float] | None = None
    wrong: tuple[float, float, float] | None = None
    accused: tuple[float, float, float] | None = None
    found: tuple[float, float, float] | None = None

    @property
    def headline(self) -> str:
        """What matters to who asks about a picture, in words; empty where it was not measured."""
        if not (self.accused and self.found and self.answered and self.wrong):
            return ""
        accused, found, answered, wrong = (
            round(100 * value[0]) for value in (self.accused, self.found, self.answered, self.wrong)
        )
        return (
            f"Of 100 photographs {accused} are called fake; of 100 fakes {found} are called fake; "
            f"{100 - answered} of 100 pictures get no answer, and of 100 answers {wrong} are wrong."
        )


class Unseen(_Frozen):
    """Figures on generators that the model was never trained on, intervals as in `Figure`.

    Attributes:
        generators: Number of generators.
        real: Number of real pictures.
        fake: Number of fakes.
        auc: Area under the ROC curve.
        fpr: Share of real pictures called fake at the card's threshold.
        fnr: Share of fakes called real there.
        answered: Share of pictures with a verdict other than ``unsure``.
        wrong: Share of wrong verdicts among those; None where there are none.
    """

    generators: int
    real: int
    fake: int
    auc: tuple[float, float, float]
    fpr: tuple[float, float, float]
    fnr: tuple[float, float, float]
    answered: tuple[float, float, float]
    wrong: tuple[float, float, float] | None


class TrainingData(_Frozen):
    """What a model was trained on.

    Attributes:
        source: The collection's name in the manifest.
        pictures: Number of training pictures from it.
        licence: Terms of the pictures, as far as known.
    """

    source: str
    pictures: int
    licence: str


class Band(_Frozen):
    """Between two cuts on p(fake) the answer is ``unsure``.

    Attributes:
        real_below: A p(fake) under this is called real...
        fake_from: ...one from here on fake, and anything between is ``unsure``.
        most_wrong: The share of wrong answers among the answered that the cuts keep to on pictures
            like the validation ones; None where they promise nothing.
    """

    real_below: float = Field(default=0.5, ge=0, le=1)
    fake_from: float = Field(default=0.5, ge=0, le=1)
    most_wrong: float | None = Field(default=None, ge=0, le=1)


class ModelCard(_Frozen):
    """A model's card, stored as JSON beside its file under the same stem.

    Attributes:
        name: The model's name.
        created: ISO date of the export.
        sha256: Of the model's file; checked whenever it is opened.
        opset: ONNX operator set of the file.
        inputs: Which views of a picture each input of the graph wants, by the input's name.
        categories: Names of the category logits, in order; empty for a model that tells none.
        calibration: From logit to probability, fitted on validation. An exported model has none
            yet: calibration is the identity, and nothing is ``unsure``.
        alternatives: Every calibration fitted on the same pictures, by name.
        prior: The share of fakes among the pictures that calibration was fitted on.
        threshold: ``p_fake`` from which a call of fake is the likelier one.
        bands: The cuts, one for each promise; the first holds unless another is asked for.
        category_cut: Under this confidence the category is ``other``; chosen on validation.
        graphic_cut: From this graphic logit on a picture is taken for no photograph, and not
            judged; None for a model that cannot tell.
        face_cut: No picture is called real over a face whose own ``p_fake`` is this high; None for
            a model whose faces have no say.
        licence: Terms of the weights.
        intended_use: What the model is for, and what it is not for.
        training_data: What it was trained on.
        training: The run's configuration and environment.
        validation: The figures by which calibration, bands and cuts were chosen.
        test: Figures on the test split, never used for any choice.
        unseen: Figures on generators never trained on; None where nobody measured them.
    """

    format: Literal[2] = 2
    name: str
    created: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    opset: int
    inputs: dict[str, ViewPlan] = Field(min_length=1)
    categories: tuple[str, ...]
    calibration: Calibration = Platt()
    alternatives: dict[str, Calibration] = {}
    prior: float = Field(default=0.5, gt=0, lt=1)
    threshold: float = Field(default=0.5, ge=0, le=1)
    bands: tuple[Band, ...] = Field(default=(Band(),), min_length=1)
    category_cut: float = Field(default=0.0, ge=0, le=1)
    graphic_cut: float | None = None
    face_cut: float | None = Field(default=None, ge=0, le=1)
    licence: str
    intended_use: str
    training_data: tuple[TrainingData, ...] = ()
    training: dict[str, Any]
    validation: dict[str, float] = {}
    test: tuple[Figure, ...] = ()
    unseen: Unseen | None = None

    def band_for(self, promise: float | None) -> Band:
        """Return the cuts that keep a promise; None is the card's own.

        Raises:
            ModelError: The card has no cuts for it.
        """
        if promise is None:
            return self.bands[0]
        for band in self.bands:
            if band.most_wrong is not None and abs(band.most_wrong - promise) < 1e-9:
                return band
        kept = ", ".join(f"{one.most_wrong:g}" for one in self.bands if one.most_wrong is not None)
        raise ModelError(
            f"The card of {self.name} promises no {promise:g} of wrong answers; "
            f"it has {kept or 'no promises'}."
        )

    def calibration_by(self, name: CalibrationName | None) -> Calibration:
        """Return a calibration by name; None is the card's own.

        Raises:
            ModelError: The card has no such fit.
        """
        if name is None:
            return self.calibration
        if name == "none":
            return Platt()
        if name in self.alternatives:
            return self.alternatives[name]
        # Cards of older models name only the fits besides their own.
        if name == self.calibration.kind and self.alternatives:
            return self.calibration
        raise ModelError(
            f"The card of {self.name} has no {name} calibration; `unmask calibrate` fits it."
        )

    @staticmethod
    def path_for(model: Path) -> Path:
        """Return where the card of an ONNX file lies."""
        return model.with_suffix(".json")

    @classmethod
    def read(cls, path: Path) -> ModelCard:
        """Read a card.

        Raises:
            ModelError: The card is absent or is not a card of this version.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError:
            raise ModelError(f"The model has no card that can be read at {path}.") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file"
            raise ModelError(f"The card {path} is not valid: {place}: {first['msg']}.") from None

    def write(self, path: Path) -> None:
        """Write the card as JSON."""
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
