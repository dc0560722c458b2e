-- The app's own database. Run each time it is opened: nothing here changes what is there.

PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL; -- a checkpoint of the queue must never know of rows that a power cut takes from here

CREATE TABLE IF NOT EXISTS flights (
    year INT, month INT, day INT, carrier TEXT, flight INT, origin TEXT, dest TEXT,
    sched_dep_time INT, dep_time INT, dep_delay INT, sched_arr_time INT, arr_time INT, arr_delay INT,
    tailnum TEXT, air_time INT, distance INT,
    PRIMARY KEY (year, month, day, carrier, flight, origin, dest)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS imports (
    id TEXT PRIMARY KEY, -- of its message, too
    customer TEXT NOT NULL,
    sha256 TEXT NOT NULL, -- of the file
    name TEXT NOT NULL,
    uploaded_at TEXT NOT NULL,
    line INT NOT NULL DEFAULT 0, -- the last one of the file that is done
    imported INT NOT NULL DEFAULT 0,
    rejected INT NOT NULL DEFAULT 0,
    begun_at_row INT,
    finished_at TEXT,
    problem TEXT,
    ended_badly BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX IF NOT EXISTS imports_of_a_customer ON imports (customer, uploaded_at);
CREATE UNIQUE INDEX IF NOT EXISTS one_import_a_file ON imports (customer, sha256) WHERE NOT ended_badly;

CREATE TABLE IF NOT EXISTS rejected (
    import_id TEXT, line INT, reason TEXT, raw TEXT,
    PRIMARY KEY (import_id, line)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS subscribers (email TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS events (name TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP);
