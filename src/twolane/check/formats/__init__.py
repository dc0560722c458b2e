"""A report, written for a machine or for a page. What a terminal shows is the command line's own."""
