"""twolane: if this task vanishes, does a human need to know?"""
