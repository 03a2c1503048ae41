"""Sec. 3, chapters 00 to 05: deep networks compressed into small ones."""
