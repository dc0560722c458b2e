"""What the same work costs, run in different ways: a pure model over a file of figures. A side room (values only).

    units -> load -> ways -> crossing -> report -> chart

`figures` reads `prices.toml`; nothing else here does IO but `chart`, which draws with matplotlib where it is
installed. Money and amounts are exact fractions until they are shown, so that a cent is a cent.
"""
