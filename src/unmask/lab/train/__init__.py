"""Training makes models. Needs the extra `train`; nothing at run time imports it."""
