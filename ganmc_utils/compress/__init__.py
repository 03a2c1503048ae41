"""Compress a model of your own: a table and a teacher in, a small model file out."""
