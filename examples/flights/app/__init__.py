"""An example app: customers upload CSV files of flights, readers subscribe to news."""
