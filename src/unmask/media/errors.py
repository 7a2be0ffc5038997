"""The one error that bad input raises."""


class PictureError(ValueError):
    """A picture could not be read; the message is one sentence meant for the person who sent it."""
