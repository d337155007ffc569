"""The proving ground of diagnosis: a town that pays, a node that speaks as a real one, troubles."""
