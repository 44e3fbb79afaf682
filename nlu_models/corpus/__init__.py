"""A synthetic English-Chinese parallel corpus of banking customer-service language, written by us.

It trains the Chinese side of the base encoder: the student's embedding of the Chinese sentence is pulled to the
teacher's embedding of the English one. `generate.generate(seed, count)` is the way in; `rules` explains the
grammar's notation.
"""
