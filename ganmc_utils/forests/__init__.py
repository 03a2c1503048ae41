"""Sec. 4, chapter 06: random forests compressed into small ones."""
