"""Sec. 5, chapter 07: the Compression Score, and the scores it is compared with."""
