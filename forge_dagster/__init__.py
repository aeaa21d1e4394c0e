"""Forge: the pipeline that decides whether code written by agents ships."""
