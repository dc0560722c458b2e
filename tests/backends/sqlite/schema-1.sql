BEGIN TRANSACTION;
CREATE TABLE alerts (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        seq INTEGER NOT NULL REFERENCES messages (seq) ON DELETE CASCADE,
        owed_at REAL NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0,
        taken_until REAL NOT NULL DEFAULT 0,
        told_at REAL
    ) STRICT
    ;
INSERT INTO "alerts" VALUES(1,1,1800000000.0,0,0.0,NULL);
CREATE TABLE aliases (
        id TEXT PRIMARY KEY,
        seq INTEGER NOT NULL REFERENCES messages (seq) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID
    ;
CREATE TABLE attempts (
        entry INTEGER PRIMARY KEY,
        seq INTEGER NOT NULL REFERENCES messages (seq) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        error_type TEXT NOT NULL,
        message TEXT NOT NULL,
        traceback TEXT NOT NULL,
        started_at REAL NOT NULL,
        ended_at REAL NOT NULL
    ) STRICT
    ;
INSERT INTO "attempts" VALUES(1,1,1,'failed','ValueError','no such flight','Traceback ...',1.0,2.0);
INSERT INTO "attempts" VALUES(2,3,1,'failed','ValueError','no such flight','Traceback ...',1.0,2.0);
CREATE TABLE blob_refs (
        seq INTEGER NOT NULL REFERENCES messages (seq) ON DELETE CASCADE,
        key TEXT NOT NULL,
        PRIMARY KEY (seq, key)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "blob_refs" VALUES(3,'blob');
CREATE TABLE bodies (
        seq INTEGER PRIMARY KEY REFERENCES messages (seq) ON DELETE CASCADE,
        body TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "bodies" VALUES(1,'{}');
INSERT INTO "bodies" VALUES(2,'{}');
INSERT INTO "bodies" VALUES(3,'{"v":1}');
CREATE TABLE counts (
        queue TEXT NOT NULL,
        state TEXT NOT NULL,
        kept INTEGER NOT NULL DEFAULT 0,
        pruned INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (queue, state)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "counts" VALUES('default','dead',1,0);
INSERT INTO "counts" VALUES('default','done',1,0);
INSERT INTO "counts" VALUES('default','running',0,0);
INSERT INTO "counts" VALUES('default','waiting',1,0);
CREATE TABLE messages (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        queue TEXT NOT NULL,
        task TEXT NOT NULL,
        digest TEXT NOT NULL,
        parent TEXT,
        unique_key TEXT,
        state TEXT NOT NULL DEFAULT 'waiting'
            CHECK (state IN ('waiting', 'running', 'done', 'cancelled', 'dead', 'discarded')),
        attempt INTEGER NOT NULL DEFAULT 1 CHECK (attempt BETWEEN 1 AND max_attempts + 1),
        max_attempts INTEGER NOT NULL CHECK (max_attempts BETWEEN 1 AND 1000000),
        deliveries INTEGER NOT NULL DEFAULT 0 CHECK (deliveries BETWEEN 0 AND 1000000000000),
        sent_at REAL NOT NULL,
        visible_at REAL NOT NULL CHECK (visible_at BETWEEN 0 AND 1e12),
        started_at REAL,
        finished_at REAL,
        receipt TEXT,
        worker TEXT,
        waits_since REAL,
        cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
        suspect INTEGER NOT NULL DEFAULT 0 CHECK (suspect IN (0, 1)),
        alone INTEGER NOT NULL DEFAULT 0 CHECK (alone IN (0, 1)),
        crashes INTEGER NOT NULL DEFAULT 0 CHECK (crashes BETWEEN 0 AND 1000000),
        crash_cursor TEXT,
        cursor TEXT,
        done REAL,
        total REAL,
        progressed_at REAL,
        reason TEXT,
        public TEXT,
        result TEXT,
        CHECK ((state = 'running') = (receipt IS NOT NULL)),
        CHECK ((state = 'dead') = (reason IS NOT NULL)),
        CHECK ((state IN ('waiting', 'running')) = (finished_at IS NULL)),
        CHECK (alone = 0 OR (suspect = 1 AND state = 'running'))
    ) STRICT
    ;
INSERT INTO "messages" VALUES(1,'dead','default','app:work','d',NULL,NULL,'dead',1,5,1,1800000000.0,1800000060.0,1800000000.0,1800000000.0,NULL,'w',NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,'gave_up','no such file',NULL);
INSERT INTO "messages" VALUES(2,'done','default','app:work','d',NULL,NULL,'done',1,5,1,1800000000.0,1800000060.0,1800000000.0,1800000000.0,NULL,'w',NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{"rows":3}');
INSERT INTO "messages" VALUES(3,'waiting','default','app:work','d',NULL,'k','waiting',2,5,1,1800000000.0,1800000000.0,1800000000.0,NULL,NULL,'w',NULL,0,0,0,0,NULL,'{"line":7}',7.0,9.0,1800000000.0,NULL,NULL,NULL);
CREATE TABLE workers (
        id TEXT PRIMARY KEY,
        pid INTEGER NOT NULL,
        kind TEXT NOT NULL,
        queues TEXT NOT NULL,
        tasks TEXT NOT NULL,
        slots INTEGER NOT NULL,
        started_at REAL NOT NULL,
        stopping INTEGER NOT NULL CHECK (stopping IN (0, 1))
    ) STRICT
    ;
CREATE INDEX ready ON messages (queue, task, suspect, visible_at) WHERE state = 'waiting';
CREATE INDEX suspects ON messages (visible_at) WHERE state = 'waiting' AND suspect = 1;
CREATE INDEX running ON messages (visible_at, worker) WHERE state = 'running';
CREATE INDEX ended ON messages (state, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX oldest ON messages (queue, sent_at, visible_at, state) WHERE state = 'waiting';
CREATE INDEX not_understood ON messages (queue) WHERE state = 'waiting' AND waits_since IS NOT NULL;
CREATE UNIQUE INDEX unique_while_open ON messages (task, unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('waiting', 'running')
    ;
CREATE INDEX aliases_of ON aliases (seq);
CREATE INDEX attempts_of ON attempts (seq);
CREATE INDEX alerts_of ON alerts (seq);
CREATE INDEX alerts_owed ON alerts (number) WHERE told_at IS NULL;
CREATE TRIGGER count_stored AFTER INSERT ON messages BEGIN
        INSERT INTO counts (queue, state, kept) VALUES (new.queue, new.state, 1)
            ON CONFLICT DO UPDATE SET kept = kept + 1;
    END;
CREATE TRIGGER count_moved AFTER UPDATE OF state, queue ON messages
    WHEN old.state <> new.state OR old.queue <> new.queue BEGIN
        UPDATE counts SET kept = kept - 1 WHERE queue = old.queue AND state = old.state;
        INSERT INTO counts (queue, state, kept) VALUES (new.queue, new.state, 1)
            ON CONFLICT DO UPDATE SET kept = kept + 1;
    END;
CREATE TRIGGER count_pruned AFTER DELETE ON messages BEGIN
        UPDATE counts SET kept = kept - 1, pruned = pruned + 1
            WHERE queue = old.queue AND state = old.state;
    END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('alerts',1);
PRAGMA application_id = 845963630;
PRAGMA user_version = 1;
COMMIT;
