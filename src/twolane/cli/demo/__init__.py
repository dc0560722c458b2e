"""`twolane demo`: a 10 MB import under kill -9, and every row and message of it accounted for.

data      the file               processes  the app and its worker, watched
client    HTTP, as a customer    story      what happens, in order
accounts  what must add up       report     what a person sees
place     where it is played: this machine, unless another is given
"""

from twolane.cli.demo.play import run

__all__ = ["run"]
