"""A side room: typed rows from a customer's CSV file, in chunks that can be resumed."""
