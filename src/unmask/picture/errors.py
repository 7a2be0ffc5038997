"""The one error that bad input raises."""


class PictureError(ValueError):
    """A picture could not be read; the message is one sentence meant for the person who sent it.

    Example::

        from unmask import Detector, PictureError

        try:
            Detector().detect(b"no picture")
        except PictureError as problem:
            print(problem)

    Attributes:
        name: The path that could not be read, where the finder of files met the problem.
    """

    def __init__(self, sentence: str, name: str | None = None) -> None:
        super().__init__(sentence)
        self.name = name


class PictureTooLargeError(PictureError):
    """A picture exceeds a limit on bytes or pixels."""
