"""Refactoring of Python over a whole project, by rope in a process of its own.

`tool`, `plans` and `worker` are Hob's side. `service`, `operations`, `inlining`, `targets`, `traces`,
`snapshot` and `ignoring` run in the worker process and import the standard library and rope only.
"""
