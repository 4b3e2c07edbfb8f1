"""Candidate repairs: small edits of a source text, each made by one rule from the syntax tree."""
