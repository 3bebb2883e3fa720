"""Training from the command line: recipes, the loop, and runs that can be resumed at any moment."""

from localgrad.train.recipe import Recipe
from localgrad.train.scores import accuracy, box_overlap, overlap

__all__ = ["Recipe", "accuracy", "box_overlap", "overlap"]
