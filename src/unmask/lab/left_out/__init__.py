"""How far a recipe carries: train it without one generator or source, and test it on that one.

Needs the extra ``train``; nothing at run time imports it.
"""
