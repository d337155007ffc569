"""posswitch: a POS switching centre (POS 交换中心)."""

__version__ = "0.1.0"
