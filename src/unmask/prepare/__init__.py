"""A decoded picture becomes views, the fixed-size arrays that a model sees."""
