"""Scores of images and of features, never of a model; each number with the record of how it was made."""
