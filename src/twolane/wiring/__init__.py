"""Floor 4: settings become backends, made on first use; `module:app` becomes an app."""
