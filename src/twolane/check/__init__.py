"""`twolane check`: which background tasks of a code base break the rule? A side room: imports the values floor only.

It reads Python as text and as `ast`, follows names inside the tree, and executes, imports and writes nothing of it.

    files (walk) -> tree (parse) -> names (resolve) -> sites -> evidence (one rule a file) -> verdict -> report
"""
