BEGIN TRANSACTION;
CREATE TABLE agents (
            id INTEGER PRIMARY KEY,
            sweep_id INTEGER NOT NULL REFERENCES sweeps(id),
            host TEXT NOT NULL,
            created_at REAL NOT NULL,
            heartbeat_at REAL NOT NULL,
            done INTEGER NOT NULL DEFAULT 0
        );
INSERT INTO "agents" VALUES(1,1,'h',1.79525948042026352877e+09,1.79525948042389154428e+09,0);
CREATE TABLE aliases (
            id INTEGER PRIMARY KEY,
            collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
            alias TEXT NOT NULL,
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            UNIQUE (collection_id, alias)
        );
INSERT INTO "aliases" VALUES(1,1,'latest',1);
CREATE TABLE artifacts (
            id INTEGER PRIMARY KEY,
            collection_id INTEGER NOT NULL REFERENCES collections(id),
            state TEXT NOT NULL,
            version_index INTEGER,
            digest TEXT NOT NULL,
            description TEXT,
            metadata TEXT,
            tags TEXT NOT NULL DEFAULT '[]',
            pending_aliases TEXT NOT NULL DEFAULT '[]',
            run_id INTEGER REFERENCES runs(id) ON DELETE SET NULL,
            history_step INTEGER,
            client_id TEXT,
            sequence_client_id TEXT,
            manifest_digest TEXT,
            manifest_md5 TEXT,
            commit_hash TEXT,
            size INTEGER NOT NULL DEFAULT 0,
            file_count INTEGER NOT NULL DEFAULT 0,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL
        );
INSERT INTO "artifacts" VALUES(1,1,'COMMITTED',0,'d',NULL,NULL,'[]','["latest"]',1,NULL,NULL,NULL,'8581d1213fb98d5673ba8a5b440d1749','8581d1213fb98d5673ba8a5b440d1749','509e075b58af23c5ebb9',5,1,1.79525948044037985803e+09,1.79525948047271728517e+09);
CREATE TABLE collections (
            id INTEGER PRIMARY KEY,
            project_id INTEGER NOT NULL REFERENCES projects(id),
            type TEXT NOT NULL,
            name TEXT NOT NULL,
            description TEXT,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            UNIQUE (project_id, name)
        );
INSERT INTO "collections" VALUES(1,1,'data','set',NULL,1.79525948044012784955e+09,1.79525948044012784955e+09);
CREATE TABLE entries (
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            path TEXT NOT NULL,
            md5 TEXT,
            size INTEGER NOT NULL,
            ref TEXT,
            PRIMARY KEY (artifact_id, path)
        ) WITHOUT ROWID;
INSERT INTO "entries" VALUES(1,'x.txt','5d41402abc4b2a76b9719d911017c592',5,NULL);
CREATE TABLE history_keys (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            key TEXT NOT NULL,
            kind TEXT NOT NULL,
            count INTEGER NOT NULL,
            last TEXT NOT NULL,
            PRIMARY KEY (run_id, key)
        ) WITHOUT ROWID;
INSERT INTO "history_keys" VALUES(1,'_step','number',2,'1');
INSERT INTO "history_keys" VALUES(1,'loss','number',2,'1.5');
CREATE TABLE lineage (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            role TEXT NOT NULL CHECK (role IN ('made', 'used')),
            PRIMARY KEY (run_id, artifact_id, role)
        ) WITHOUT ROWID;
INSERT INTO "lineage" VALUES(1,1,'made');
CREATE TABLE lines (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            stream TEXT NOT NULL,
            line INTEGER NOT NULL,
            step INTEGER,
            text TEXT NOT NULL,
            PRIMARY KEY (run_id, stream, line)
        ) WITHOUT ROWID;
INSERT INTO "lines" VALUES(1,'history',0,0,'{"_step":0,"loss":2.0}');
INSERT INTO "lines" VALUES(1,'history',1,1,'{"_step":1,"loss":1.5}');
CREATE TABLE points (
            sweep_id INTEGER NOT NULL REFERENCES sweeps(id),
            idx INTEGER NOT NULL,
            args TEXT NOT NULL,
            state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'claimed', 'ended')),
            run_id INTEGER REFERENCES runs(id) ON DELETE SET NULL,
            agent_id INTEGER REFERENCES agents(id),
            lease_until REAL,
            resume INTEGER NOT NULL DEFAULT 0,
            attempts INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (sweep_id, idx)
        ) WITHOUT ROWID;
INSERT INTO "points" VALUES(1,0,'{"x":1}','ended',1,1,NULL,0,1);
INSERT INTO "points" VALUES(1,1,'{"x":2}','pending',NULL,NULL,NULL,0,0);
INSERT INTO "points" VALUES(1,2,'{"x":3}','pending',NULL,NULL,NULL,0,0);
CREATE TABLE projects (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT,
            created_at REAL NOT NULL,
            runs_made INTEGER NOT NULL DEFAULT 0
        );
INSERT INTO "projects" VALUES(1,'p',NULL,1.79525948040126705172e+09,1);
CREATE TABLE run_files (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            md5 TEXT NOT NULL,
            size INTEGER NOT NULL,
            updated_at REAL NOT NULL,
            PRIMARY KEY (run_id, name)
        ) WITHOUT ROWID;
CREATE TABLE runs (
            id INTEGER PRIMARY KEY,
            project_id INTEGER NOT NULL REFERENCES projects(id),
            name TEXT NOT NULL,
            display_name TEXT NOT NULL,
            state TEXT NOT NULL,
            started INTEGER NOT NULL DEFAULT 0,
            config TEXT NOT NULL DEFAULT '{}',
            summary TEXT NOT NULL DEFAULT '{}',
            system_metrics TEXT NOT NULL DEFAULT '{}',
            tags TEXT NOT NULL DEFAULT '[]',
            notes TEXT, description TEXT, group_name TEXT, job_type TEXT,
            commit_hash TEXT, host TEXT, program TEXT, repo TEXT,
            sweep_id INTEGER REFERENCES sweeps(id),
            agent_id INTEGER REFERENCES agents(id),
            stop_requested INTEGER NOT NULL DEFAULT 0,
            preempting INTEGER NOT NULL DEFAULT 0,
            exit_code INTEGER,
            created_at REAL NOT NULL,
            heartbeat_at REAL NOT NULL,
            UNIQUE (project_id, name)
        );
INSERT INTO "runs" VALUES(1,1,'7q17a6kf','sweep-1','finished',1,'{"x":{"value":1}}','{"loss":1.5}','{}','["a"]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,1,0,0,0,1.79525948042464232449e+09,1.79525948043552350998e+09);
CREATE TABLE sweeps (
            id INTEGER PRIMARY KEY,
            project_id INTEGER NOT NULL REFERENCES projects(id),
            name TEXT NOT NULL,
            display_name TEXT,
            description TEXT,
            config TEXT NOT NULL,
            method TEXT NOT NULL,
            program TEXT,
            metric TEXT,
            goal TEXT,
            state TEXT NOT NULL,
            size INTEGER NOT NULL,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            UNIQUE (project_id, name)
        );
INSERT INTO "sweeps" VALUES(1,1,'rh98r86i',NULL,NULL,'method: grid
program: train.py
parameters:
  x:
    values: [1, 2, 3]
','grid','train.py',NULL,NULL,'RUNNING',3,1.7952594804016640186e+09,1.7952594804016640186e+09);
CREATE INDEX agents_by_sweep ON agents(sweep_id);
CREATE INDEX runs_by_sweep ON runs(sweep_id, id);
CREATE INDEX runs_by_agent ON runs(agent_id);
CREATE INDEX runs_alive ON runs(heartbeat_at) WHERE state IN ('pending', 'running');
CREATE INDEX points_by_state ON points(sweep_id, state, idx);
CREATE UNIQUE INDEX points_by_run ON points(run_id) WHERE run_id IS NOT NULL;
CREATE INDEX points_by_lease ON points(lease_until) WHERE state = 'claimed';
CREATE INDEX points_by_agent ON points(agent_id) WHERE state = 'claimed';
CREATE INDEX lines_by_step ON lines(run_id, step) WHERE stream = 'history';
CREATE INDEX run_files_by_md5 ON run_files(md5);
CREATE INDEX aliases_by_artifact ON aliases(artifact_id);
CREATE INDEX artifacts_by_digest ON artifacts(collection_id, digest);
CREATE UNIQUE INDEX artifacts_by_version ON artifacts(collection_id, version_index);
CREATE INDEX artifacts_by_client ON artifacts(client_id);
CREATE INDEX lineage_by_artifact ON lineage(artifact_id, role);
COMMIT;
PRAGMA user_version = 1;
