"""The shared code of *Deep Learning for Language, from Scratch*.

Each module holds one concept and reads from top to bottom: what it is for, the simplest thing, then the rest.
A chapter first builds its new idea in the open, checks it against the version kept here, and from then on
imports it. NumPy is the only engine; with CuPy installed the same source runs on a GPU (see
``common.backend``).

What is where, in the order in which the chapters come to it:

======= ============================================================================================="""
