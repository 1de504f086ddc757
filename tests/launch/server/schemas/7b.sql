BEGIN TRANSACTION;
CREATE TABLE agents (
            id INTEGER PRIMARY KEY,
            sweep_id INTEGER NOT NULL REFERENCES sweeps(id),
            host TEXT NOT NULL,
            created_at REAL NOT NULL,
            heartbeat_at REAL NOT NULL,
            done INTEGER NOT NULL DEFAULT 0
        );
INSERT INTO "agents" VALUES(1,1,'node1',1.79596060793753027912e+09,1.7959606145171527862e+09,0);
INSERT INTO "agents" VALUES(2,2,'node1',1.79596060874535179137e+09,1.79596060875332140917e+09,0);
INSERT INTO "agents" VALUES(3,1,'node1',1.79596061970111250871e+09,1.79596061971061086654e+09,0);
INSERT INTO "agents" VALUES(4,1,'node1',1.79596061972204732891e+09,1.79596061972478818896e+09,0);
CREATE TABLE aliases (
            id INTEGER PRIMARY KEY,
            collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
            alias TEXT NOT NULL,
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            UNIQUE (collection_id, alias)
        );
INSERT INTO "aliases" VALUES(1,1,'latest',2);
INSERT INTO "aliases" VALUES(2,1,'best',1);
INSERT INTO "aliases" VALUES(3,1,'good',2);
INSERT INTO "aliases" VALUES(4,2,'latest',3);
INSERT INTO "aliases" VALUES(5,4,'linked',1);
INSERT INTO "aliases" VALUES(6,4,'latest',1);
INSERT INTO "aliases" VALUES(7,5,'latest',5);
CREATE TABLE arrivals (
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            md5 TEXT NOT NULL,
            user_id INTEGER NOT NULL,
            blob TEXT,
            size INTEGER,
            PRIMARY KEY (artifact_id, md5, user_id)
        ) WITHOUT ROWID;
INSERT INTO "arrivals" VALUES(1,'51037a4a37730f52c8732586d3aaa316',1,'0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5',4);
INSERT INTO "arrivals" VALUES(1,'a9390d4ffca70534e478567c04cd94f2',1,'0b58304e84fd78c3ce0421116fbde92ed848ccea3aee4f2ff04489e1a49157eb',11);
INSERT INTO "arrivals" VALUES(2,'51037a4a37730f52c8732586d3aaa316',1,'0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5',4);
INSERT INTO "arrivals" VALUES(2,'6699b40ac27c39b01477f4b90e10c52a',1,'be983c12208a286c3252005c1e2b0f3cfffecabc40da924baa69fc8e3cb68894',11);
INSERT INTO "arrivals" VALUES(3,'a62676442065078b7f4b1593a5b5364b',1,'5c0ec488b34759d09b48672b0cc8e0322d898c0a6c2d467c4fea1af97778e3f4',13);
INSERT INTO "arrivals" VALUES(4,'7a73cb0dcacfe67c8b90d54422542156',1,'666098afa60bbee8f9113c7ca42daa8e12bc28ff3e650b0b31b9375779ae3510',9);
INSERT INTO "arrivals" VALUES(5,'106f16a8fde7ae2ecac302abf5b49a90',1,'29a8825bd242f14386ee528d76e0e8f1e38f3c8c4047d7b2d6df7493368a17d0',5);
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
            manifest_blob TEXT,
            commit_hash TEXT,
            size INTEGER NOT NULL DEFAULT 0,
            file_count INTEGER NOT NULL DEFAULT 0,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL
        , distributed_id TEXT, ttl INTEGER);
INSERT INTO "artifacts" VALUES(1,1,'COMMITTED',0,'e64962fcb78ebde03d907297784c8eb4','e64962fcb78ebde03d907297784c8eb4','{"n":2}','[]','["latest", "best"]',1,NULL,'e64962fcb78ebde03d907297784c8eb4',NULL,'605154db0f309514fb4821ccfaf4ab26','8d2d5f41d9f696651470f08f57cef14ad5a84c3a5ac18beaf1e6628898a9c548','2fc85679fe70cbb8bc6e',15,2,1.79596060813223600384e+09,1.79596060820607471468e+09,NULL,NULL);
INSERT INTO "artifacts" VALUES(2,1,'COMMITTED',1,'71cbc7e37af44d6f76264ab82fee15df','71cbc7e37af44d6f76264ab82fee15df','{"n":2}','[]','["latest", "good"]',2,NULL,'71cbc7e37af44d6f76264ab82fee15df',NULL,'276f0401f287984a9fac8440c6146695','87aadd140531aa8b21d0d0761ff0f39fbddea227b177f9481e08bb9a8fdddc49','7c0b2123378bf01ca291',15,2,1.79596060820758867261e+09,1.79596060823091506954e+09,NULL,NULL);
INSERT INTO "artifacts" VALUES(3,2,'COMMITTED',0,'b649fb76a92d1c3872b50edb8b6a764e','b649fb76a92d1c3872b50edb8b6a764e','{"n":1}','[]','["latest"]',2,NULL,'b649fb76a92d1c3872b50edb8b6a764e',NULL,'a8c0fd64deedaf2940f20f14ae85d6a3','a298ba5a1a296548e359845d18152c3cfc406307286463d704ac30e3911b5680','c851f31dc4eeb4f5cde1',13,1,1.79596060824107670787e+09,1.79596060830386114121e+09,NULL,NULL);
INSERT INTO "artifacts" VALUES(4,3,'PENDING',NULL,'b0c221eae18f4e65b4ae041c1da57cb4','b0c221eae18f4e65b4ae041c1da57cb4','{"n":1}','[]','["latest"]',1,NULL,'b0c221eae18f4e65b4ae041c1da57cb4',NULL,NULL,NULL,'355497463bf25242aee9',0,0,1.79596060830783414838e+09,1.79596060830789113049e+09,NULL,NULL);
INSERT INTO "artifacts" VALUES(5,5,'COMMITTED',0,'d9f4c40c3ba888e97ee40b48dec7a758','d9f4c40c3ba888e97ee40b48dec7a758','{"n":1}','[]','["latest"]',4,NULL,'d9f4c40c3ba888e97ee40b48dec7a758',NULL,'cd9e0aa893c21780edf4e1cc60df2277','e370a8b33522cb7720a0cf35db8dd336bec6ec33584919bbc9aa05c50d02f6bd','ef09e589b8d8874476a6',5,1,1.7959606084228987694e+09,1.79596060843605518338e+09,NULL,315360000);
CREATE TABLE collections (
            id INTEGER PRIMARY KEY,
            project_id INTEGER NOT NULL REFERENCES projects(id),
            type TEXT NOT NULL,
            name TEXT NOT NULL,
            description TEXT,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL, portfolio INTEGER NOT NULL DEFAULT 0, tags TEXT NOT NULL DEFAULT '[]', versions_made INTEGER NOT NULL DEFAULT 0,
            UNIQUE (project_id, name)
        );
INSERT INTO "collections" VALUES(1,1,'model','set',NULL,1.7959606081319701671e+09,1.7959606081319701671e+09,0,'[]',2);
INSERT INTO "collections" VALUES(2,1,'model','gone',NULL,1.79596060824095749854e+09,1.79596060824095749854e+09,0,'[]',1);
INSERT INTO "collections" VALUES(3,1,'model','half',NULL,1.79596060830772805217e+09,1.79596060830772805217e+09,0,'[]',0);
INSERT INTO "collections" VALUES(4,2,'model','links',NULL,1.79596060842102026944e+09,1.79596060842102026944e+09,1,'[]',1);
INSERT INTO "collections" VALUES(5,2,'model','brief',NULL,1.7959606084227802753e+09,1.7959606084227802753e+09,0,'[]',1);
CREATE TABLE deleted_runs (
            id INTEGER PRIMARY KEY,
            project_id INTEGER NOT NULL,
            name TEXT NOT NULL,
            UNIQUE (project_id, name)
        );
INSERT INTO "deleted_runs" VALUES(6,2,'deleted');
CREATE TABLE entries (
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            path TEXT NOT NULL,
            md5 TEXT,
            size INTEGER NOT NULL,
            ref TEXT, blob TEXT,
            PRIMARY KEY (artifact_id, path)
        ) WITHOUT ROWID;
INSERT INTO "entries" VALUES(1,'same.txt','51037a4a37730f52c8732586d3aaa316',4,NULL,'0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5');
INSERT INTO "entries" VALUES(1,'w.bin','a9390d4ffca70534e478567c04cd94f2',11,NULL,'0b58304e84fd78c3ce0421116fbde92ed848ccea3aee4f2ff04489e1a49157eb');
INSERT INTO "entries" VALUES(2,'same.txt','51037a4a37730f52c8732586d3aaa316',4,NULL,'0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5');
INSERT INTO "entries" VALUES(2,'w.bin','6699b40ac27c39b01477f4b90e10c52a',11,NULL,'be983c12208a286c3252005c1e2b0f3cfffecabc40da924baa69fc8e3cb68894');
INSERT INTO "entries" VALUES(3,'g.txt','a62676442065078b7f4b1593a5b5364b',13,NULL,'5c0ec488b34759d09b48672b0cc8e0322d898c0a6c2d467c4fea1af97778e3f4');
INSERT INTO "entries" VALUES(5,'b.txt','106f16a8fde7ae2ecac302abf5b49a90',5,NULL,'29a8825bd242f14386ee528d76e0e8f1e38f3c8c4047d7b2d6df7493368a17d0');
CREATE TABLE history_keys (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            key TEXT NOT NULL,
            kind TEXT NOT NULL,
            count INTEGER NOT NULL,
            last TEXT NOT NULL,
            PRIMARY KEY (run_id, key)
        ) WITHOUT ROWID;
INSERT INTO "history_keys" VALUES(1,'_step','number',133,'132');
INSERT INTO "history_keys" VALUES(1,'_timestamp','number',132,'1700000131.0');
INSERT INTO "history_keys" VALUES(1,'i','map',1,'{"_type":"image-file","path":"media/images/i_0.png","format":"png","width":1,"height":1}');
INSERT INTO "history_keys" VALUES(1,'inner.acc','number',132,'1.31');
INSERT INTO "history_keys" VALUES(1,'loss','number',132,'0.00909090909090909');
INSERT INTO "history_keys" VALUES(1,'t','map',1,'{"_type":"table-file","path":"media/table/t_0.table.json","ncols":2,"nrows":1,"size":44}');
INSERT INTO "history_keys" VALUES(2,'_step','number',4,'3');
INSERT INTO "history_keys" VALUES(2,'_timestamp','number',3,'1700000002.0');
INSERT INTO "history_keys" VALUES(2,'i','map',1,'{"_type":"image-file","path":"media/images/i_0.png","format":"png","width":1,"height":1}');
INSERT INTO "history_keys" VALUES(2,'inner.acc','number',3,'0.02');
INSERT INTO "history_keys" VALUES(2,'loss','number',3,'0.5333333333333333');
INSERT INTO "history_keys" VALUES(2,'t','map',1,'{"_type":"table-file","path":"media/table/t_0.table.json","ncols":2,"nrows":1,"size":44}');
INSERT INTO "history_keys" VALUES(3,'_step','number',4,'3');
INSERT INTO "history_keys" VALUES(3,'_timestamp','number',3,'1700000002.0');
INSERT INTO "history_keys" VALUES(3,'i','map',1,'{"_type":"image-file","path":"media/images/i_0.png","format":"png","width":1,"height":1}');
INSERT INTO "history_keys" VALUES(3,'inner.acc','number',3,'0.02');
INSERT INTO "history_keys" VALUES(3,'loss','number',3,'0.4666666666666666');
INSERT INTO "history_keys" VALUES(3,'t','map',1,'{"_type":"table-file","path":"media/table/t_0.table.json","ncols":2,"nrows":1,"size":44}');
INSERT INTO "history_keys" VALUES(4,'_step','number',5,'4');
INSERT INTO "history_keys" VALUES(4,'_timestamp','number',4,'1700000003.0');
INSERT INTO "history_keys" VALUES(4,'i','map',1,'{"_type":"image-file","path":"media/images/i_0.png","format":"png","width":1,"height":1}');
INSERT INTO "history_keys" VALUES(4,'inner.acc','number',4,'0.03');
INSERT INTO "history_keys" VALUES(4,'loss','number',4,'0.25');
INSERT INTO "history_keys" VALUES(4,'t','map',1,'{"_type":"table-file","path":"media/table/t_0.table.json","ncols":2,"nrows":1,"size":44}');
INSERT INTO "history_keys" VALUES(5,'_step','number',4,'3');
INSERT INTO "history_keys" VALUES(5,'_timestamp','number',3,'1700000002.0');
INSERT INTO "history_keys" VALUES(5,'inner.acc','number',3,'0.02');
INSERT INTO "history_keys" VALUES(5,'loss','number',4,'0.01');
INSERT INTO "history_keys" VALUES(7,'_step','number',3,'2');
INSERT INTO "history_keys" VALUES(7,'_timestamp','number',2,'1700000001.0');
INSERT INTO "history_keys" VALUES(7,'i','map',1,'{"_type":"image-file","path":"media/images/i_0.png","format":"png","width":1,"height":1}');
INSERT INTO "history_keys" VALUES(7,'inner.acc','number',2,'0.01');
INSERT INTO "history_keys" VALUES(7,'loss','number',2,'0.35');
INSERT INTO "history_keys" VALUES(7,'t','map',1,'{"_type":"table-file","path":"media/table/t_0.table.json","ncols":2,"nrows":1,"size":44}');
INSERT INTO "history_keys" VALUES(8,'_step','number',4,'3');
INSERT INTO "history_keys" VALUES(8,'_timestamp','number',3,'1700000002.0');
INSERT INTO "history_keys" VALUES(8,'i','map',1,'{"_type":"image-file","path":"media/images/i_0.png","format":"png","width":1,"height":1}');
INSERT INTO "history_keys" VALUES(8,'inner.acc','number',3,'0.02');
INSERT INTO "history_keys" VALUES(8,'loss','number',3,'0.3333333333333333');
INSERT INTO "history_keys" VALUES(8,'t','map',1,'{"_type":"table-file","path":"media/table/t_0.table.json","ncols":2,"nrows":1,"size":44}');
INSERT INTO "history_keys" VALUES(10,'_step','number',4,'3');
INSERT INTO "history_keys" VALUES(10,'_timestamp','number',3,'1700000002.0');
INSERT INTO "history_keys" VALUES(10,'i','map',1,'{"_type":"image-file","path":"media/images/i_0.png","format":"png","width":1,"height":1}');
INSERT INTO "history_keys" VALUES(10,'inner.acc','number',3,'0.02');
INSERT INTO "history_keys" VALUES(10,'loss','number',3,'0.4666666666666666');
INSERT INTO "history_keys" VALUES(10,'t','map',1,'{"_type":"table-file","path":"media/table/t_0.table.json","ncols":2,"nrows":1,"size":44}');
INSERT INTO "history_keys" VALUES(11,'_step','number',3,'2');
INSERT INTO "history_keys" VALUES(11,'_timestamp','number',2,'1700000001.0');
INSERT INTO "history_keys" VALUES(11,'i','map',1,'{"_type":"image-file","path":"media/images/i_0.png","format":"png","width":1,"height":1}');
INSERT INTO "history_keys" VALUES(11,'inner.acc','number',2,'0.01');
INSERT INTO "history_keys" VALUES(11,'loss','number',2,'0.8');
INSERT INTO "history_keys" VALUES(11,'t','map',1,'{"_type":"table-file","path":"media/table/t_0.table.json","ncols":2,"nrows":1,"size":44}');
INSERT INTO "history_keys" VALUES(12,'_step','number',3,'2');
INSERT INTO "history_keys" VALUES(12,'_timestamp','number',2,'1700000001.0');
INSERT INTO "history_keys" VALUES(12,'i','map',1,'{"_type":"image-file","path":"media/images/i_0.png","format":"png","width":1,"height":1}');
INSERT INTO "history_keys" VALUES(12,'inner.acc','number',2,'0.01');
INSERT INTO "history_keys" VALUES(12,'loss','number',2,'0.55');
INSERT INTO "history_keys" VALUES(12,'t','map',1,'{"_type":"table-file","path":"media/table/t_0.table.json","ncols":2,"nrows":1,"size":44}');
CREATE TABLE keys (
            digest TEXT PRIMARY KEY,
            user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
            hint TEXT NOT NULL,
            read_only INTEGER NOT NULL DEFAULT 0,
            created_at REAL NOT NULL
        ) WITHOUT ROWID;
INSERT INTO "keys" VALUES('382bc05e2f98777f7f609d2e03ce67680d1f2e69477225be3697859353f27501',2,'0266',0,1.79596060951150703435e+09);
INSERT INTO "keys" VALUES('aaa43e1b4d63366cae301b2d168198d3b6f28be778b81ee30b9ffaa1ceffe501',3,'9b52',0,1.79596061017737770081e+09);
CREATE TABLE lineage (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            role TEXT NOT NULL CHECK (role IN ('made', 'used')),
            PRIMARY KEY (run_id, artifact_id, role)
        ) WITHOUT ROWID;
INSERT INTO "lineage" VALUES(1,1,'made');
INSERT INTO "lineage" VALUES(4,1,'used');
INSERT INTO "lineage" VALUES(2,2,'made');
INSERT INTO "lineage" VALUES(2,3,'made');
INSERT INTO "lineage" VALUES(1,4,'made');
INSERT INTO "lineage" VALUES(4,5,'made');
CREATE TABLE lines (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            stream TEXT NOT NULL,
            line INTEGER NOT NULL,
            step INTEGER,
            text TEXT NOT NULL,
            PRIMARY KEY (run_id, stream, line)
        ) WITHOUT ROWID;
INSERT INTO "lines" VALUES(1,'console',0,NULL,'begin qse0svx6
');
INSERT INTO "lines" VALUES(1,'console',1,NULL,'Süd: 5 €
');
INSERT INTO "lines" VALUES(1,'events',0,NULL,'{"system.cpu": 12.5, "_runtime": 3}');
INSERT INTO "lines" VALUES(1,'history',0,0,'{"_step": 0, "_timestamp": 1700000000.0, "loss": 1.2, "inner.acc": 0.0}');
INSERT INTO "lines" VALUES(1,'history',1,1,'{"_step": 1, "_timestamp": 1700000001.0, "loss": 0.6, "inner.acc": 0.01}');
INSERT INTO "lines" VALUES(1,'history',2,2,'{"_step": 2, "_timestamp": 1700000002.0, "loss": 0.39999999999999997, "inner.acc": 0.02}');
INSERT INTO "lines" VALUES(1,'history',3,3,'{"_step": 3, "_timestamp": 1700000003.0, "loss": 0.3, "inner.acc": 0.03}');
INSERT INTO "lines" VALUES(1,'history',4,4,'{"_step": 4, "_timestamp": 1700000004.0, "loss": 0.24, "inner.acc": 0.04}');
INSERT INTO "lines" VALUES(1,'history',5,5,'{"_step": 5, "_timestamp": 1700000005.0, "loss": 0.19999999999999998, "inner.acc": 0.05}');
INSERT INTO "lines" VALUES(1,'history',6,6,'{"_step": 6, "_timestamp": 1700000006.0, "loss": 0.17142857142857143, "inner.acc": 0.06}');
INSERT INTO "lines" VALUES(1,'history',7,7,'{"_step": 7, "_timestamp": 1700000007.0, "loss": 0.15, "inner.acc": 0.07}');
INSERT INTO "lines" VALUES(1,'history',8,8,'{"_step": 8, "_timestamp": 1700000008.0, "loss": 0.13333333333333333, "inner.acc": 0.08}');
INSERT INTO "lines" VALUES(1,'history',9,9,'{"_step": 9, "_timestamp": 1700000009.0, "loss": 0.12, "inner.acc": 0.09}');
INSERT INTO "lines" VALUES(1,'history',10,10,'{"_step": 10, "_timestamp": 1700000010.0, "loss": 0.10909090909090909, "inner.acc": 0.1}');
INSERT INTO "lines" VALUES(1,'history',11,11,'{"_step": 11, "_timestamp": 1700000011.0, "loss": 0.09999999999999999, "inner.acc": 0.11}');
INSERT INTO "lines" VALUES(1,'history',12,12,'{"_step": 12, "_timestamp": 1700000012.0, "loss": 0.0923076923076923, "inner.acc": 0.12}');
INSERT INTO "lines" VALUES(1,'history',13,13,'{"_step": 13, "_timestamp": 1700000013.0, "loss": 0.08571428571428572, "inner.acc": 0.13}');
INSERT INTO "lines" VALUES(1,'history',14,14,'{"_step": 14, "_timestamp": 1700000014.0, "loss": 0.08, "inner.acc": 0.14}');
INSERT INTO "lines" VALUES(1,'history',15,15,'{"_step": 15, "_timestamp": 1700000015.0, "loss": 0.075, "inner.acc": 0.15}');
INSERT INTO "lines" VALUES(1,'history',16,16,'{"_step": 16, "_timestamp": 1700000016.0, "loss": 0.07058823529411765, "inner.acc": 0.16}');
INSERT INTO "lines" VALUES(1,'history',17,17,'{"_step": 17, "_timestamp": 1700000017.0, "loss": 0.06666666666666667, "inner.acc": 0.17}');
INSERT INTO "lines" VALUES(1,'history',18,18,'{"_step": 18, "_timestamp": 1700000018.0, "loss": 0.06315789473684211, "inner.acc": 0.18}');
INSERT INTO "lines" VALUES(1,'history',19,19,'{"_step": 19, "_timestamp": 1700000019.0, "loss": 0.06, "inner.acc": 0.19}');
INSERT INTO "lines" VALUES(1,'history',20,20,'{"_step": 20, "_timestamp": 1700000020.0, "loss": 0.05714285714285714, "inner.acc": 0.2}');
INSERT INTO "lines" VALUES(1,'history',21,21,'{"_step": 21, "_timestamp": 1700000021.0, "loss": 0.05454545454545454, "inner.acc": 0.21}');
INSERT INTO "lines" VALUES(1,'history',22,22,'{"_step": 22, "_timestamp": 1700000022.0, "loss": 0.05217391304347826, "inner.acc": 0.22}');
INSERT INTO "lines" VALUES(1,'history',23,23,'{"_step": 23, "_timestamp": 1700000023.0, "loss": 0.049999999999999996, "inner.acc": 0.23}');
INSERT INTO "lines" VALUES(1,'history',24,24,'{"_step": 24, "_timestamp": 1700000024.0, "loss": 0.048, "inner.acc": 0.24}');
INSERT INTO "lines" VALUES(1,'history',25,25,'{"_step": 25, "_timestamp": 1700000025.0, "loss": 0.04615384615384615, "inner.acc": 0.25}');
INSERT INTO "lines" VALUES(1,'history',26,26,'{"_step": 26, "_timestamp": 1700000026.0, "loss": 0.044444444444444446, "inner.acc": 0.26}');
INSERT INTO "lines" VALUES(1,'history',27,27,'{"_step": 27, "_timestamp": 1700000027.0, "loss": 0.04285714285714286, "inner.acc": 0.27}');
INSERT INTO "lines" VALUES(1,'history',28,28,'{"_step": 28, "_timestamp": 1700000028.0, "loss": 0.041379310344827586, "inner.acc": 0.28}');
INSERT INTO "lines" VALUES(1,'history',29,29,'{"_step": 29, "_timestamp": 1700000029.0, "loss": 0.04, "inner.acc": 0.29}');
INSERT INTO "lines" VALUES(1,'history',30,30,'{"_step": 30, "_timestamp": 1700000030.0, "loss": 0.03870967741935484, "inner.acc": 0.3}');
INSERT INTO "lines" VALUES(1,'history',31,31,'{"_step": 31, "_timestamp": 1700000031.0, "loss": 0.0375, "inner.acc": 0.31}');
INSERT INTO "lines" VALUES(1,'history',32,32,'{"_step": 32, "_timestamp": 1700000032.0, "loss": 0.03636363636363636, "inner.acc": 0.32}');
INSERT INTO "lines" VALUES(1,'history',33,33,'{"_step": 33, "_timestamp": 1700000033.0, "loss": 0.03529411764705882, "inner.acc": 0.33}');
INSERT INTO "lines" VALUES(1,'history',34,34,'{"_step": 34, "_timestamp": 1700000034.0, "loss": 0.03428571428571429, "inner.acc": 0.34}');
INSERT INTO "lines" VALUES(1,'history',35,35,'{"_step": 35, "_timestamp": 1700000035.0, "loss": 0.03333333333333333, "inner.acc": 0.35}');
INSERT INTO "lines" VALUES(1,'history',36,36,'{"_step": 36, "_timestamp": 1700000036.0, "loss": 0.032432432432432434, "inner.acc": 0.36}');
INSERT INTO "lines" VALUES(1,'history',37,37,'{"_step": 37, "_timestamp": 1700000037.0, "loss": 0.031578947368421054, "inner.acc": 0.37}');
INSERT INTO "lines" VALUES(1,'history',38,38,'{"_step": 38, "_timestamp": 1700000038.0, "loss": 0.030769230769230767, "inner.acc": 0.38}');
INSERT INTO "lines" VALUES(1,'history',39,39,'{"_step": 39, "_timestamp": 1700000039.0, "loss": 0.03, "inner.acc": 0.39}');
INSERT INTO "lines" VALUES(1,'history',40,40,'{"_step": 40, "_timestamp": 1700000040.0, "loss": 0.029268292682926828, "inner.acc": 0.4}');
INSERT INTO "lines" VALUES(1,'history',41,41,'{"_step": 41, "_timestamp": 1700000041.0, "loss": 0.02857142857142857, "inner.acc": 0.41}');
INSERT INTO "lines" VALUES(1,'history',42,42,'{"_step": 42, "_timestamp": 1700000042.0, "loss": 0.027906976744186046, "inner.acc": 0.42}');
INSERT INTO "lines" VALUES(1,'history',43,43,'{"_step": 43, "_timestamp": 1700000043.0, "loss": 0.02727272727272727, "inner.acc": 0.43}');
INSERT INTO "lines" VALUES(1,'history',44,44,'{"_step": 44, "_timestamp": 1700000044.0, "loss": 0.026666666666666665, "inner.acc": 0.44}');
INSERT INTO "lines" VALUES(1,'history',45,45,'{"_step": 45, "_timestamp": 1700000045.0, "loss": 0.02608695652173913, "inner.acc": 0.45}');
INSERT INTO "lines" VALUES(1,'history',46,46,'{"_step": 46, "_timestamp": 1700000046.0, "loss": 0.02553191489361702, "inner.acc": 0.46}');
INSERT INTO "lines" VALUES(1,'history',47,47,'{"_step": 47, "_timestamp": 1700000047.0, "loss": 0.024999999999999998, "inner.acc": 0.47}');
INSERT INTO "lines" VALUES(1,'history',48,48,'{"_step": 48, "_timestamp": 1700000048.0, "loss": 0.024489795918367346, "inner.acc": 0.48}');
INSERT INTO "lines" VALUES(1,'history',49,49,'{"_step": 49, "_timestamp": 1700000049.0, "loss": 0.024, "inner.acc": 0.49}');
INSERT INTO "lines" VALUES(1,'history',50,50,'{"_step": 50, "_timestamp": 1700000050.0, "loss": 0.023529411764705882, "inner.acc": 0.5}');
INSERT INTO "lines" VALUES(1,'history',51,51,'{"_step": 51, "_timestamp": 1700000051.0, "loss": 0.023076923076923075, "inner.acc": 0.51}');
INSERT INTO "lines" VALUES(1,'history',52,52,'{"_step": 52, "_timestamp": 1700000052.0, "loss": 0.022641509433962263, "inner.acc": 0.52}');
INSERT INTO "lines" VALUES(1,'history',53,53,'{"_step": 53, "_timestamp": 1700000053.0, "loss": 0.022222222222222223, "inner.acc": 0.53}');
INSERT INTO "lines" VALUES(1,'history',54,54,'{"_step": 54, "_timestamp": 1700000054.0, "loss": 0.021818181818181816, "inner.acc": 0.54}');
INSERT INTO "lines" VALUES(1,'history',55,55,'{"_step": 55, "_timestamp": 1700000055.0, "loss": 0.02142857142857143, "inner.acc": 0.55}');
INSERT INTO "lines" VALUES(1,'history',56,56,'{"_step": 56, "_timestamp": 1700000056.0, "loss": 0.021052631578947368, "inner.acc": 0.56}');
INSERT INTO "lines" VALUES(1,'history',57,57,'{"_step": 57, "_timestamp": 1700000057.0, "loss": 0.020689655172413793, "inner.acc": 0.57}');
INSERT INTO "lines" VALUES(1,'history',58,58,'{"_step": 58, "_timestamp": 1700000058.0, "loss": 0.020338983050847456, "inner.acc": 0.58}');
INSERT INTO "lines" VALUES(1,'history',59,59,'{"_step": 59, "_timestamp": 1700000059.0, "loss": 0.02, "inner.acc": 0.59}');
INSERT INTO "lines" VALUES(1,'history',60,60,'{"_step": 60, "_timestamp": 1700000060.0, "loss": 0.019672131147540982, "inner.acc": 0.6}');
INSERT INTO "lines" VALUES(1,'history',61,61,'{"_step": 61, "_timestamp": 1700000061.0, "loss": 0.01935483870967742, "inner.acc": 0.61}');
INSERT INTO "lines" VALUES(1,'history',62,62,'{"_step": 62, "_timestamp": 1700000062.0, "loss": 0.019047619047619046, "inner.acc": 0.62}');
INSERT INTO "lines" VALUES(1,'history',63,63,'{"_step": 63, "_timestamp": 1700000063.0, "loss": 0.01875, "inner.acc": 0.63}');
INSERT INTO "lines" VALUES(1,'history',64,64,'{"_step": 64, "_timestamp": 1700000064.0, "loss": 0.01846153846153846, "inner.acc": 0.64}');
INSERT INTO "lines" VALUES(1,'history',65,65,'{"_step": 65, "_timestamp": 1700000065.0, "loss": 0.01818181818181818, "inner.acc": 0.65}');
INSERT INTO "lines" VALUES(1,'history',66,66,'{"_step": 66, "_timestamp": 1700000066.0, "loss": 0.01791044776119403, "inner.acc": 0.66}');
INSERT INTO "lines" VALUES(1,'history',67,67,'{"_step": 67, "_timestamp": 1700000067.0, "loss": 0.01764705882352941, "inner.acc": 0.67}');
INSERT INTO "lines" VALUES(1,'history',68,68,'{"_step": 68, "_timestamp": 1700000068.0, "loss": 0.017391304347826087, "inner.acc": 0.68}');
INSERT INTO "lines" VALUES(1,'history',69,69,'{"_step": 69, "_timestamp": 1700000069.0, "loss": 0.017142857142857144, "inner.acc": 0.69}');
INSERT INTO "lines" VALUES(1,'history',70,70,'{"_step": 70, "_timestamp": 1700000070.0, "loss": 0.016901408450704224, "inner.acc": 0.7}');
INSERT INTO "lines" VALUES(1,'history',71,71,'{"_step": 71, "_timestamp": 1700000071.0, "loss": 0.016666666666666666, "inner.acc": 0.71}');
INSERT INTO "lines" VALUES(1,'history',72,72,'{"_step": 72, "_timestamp": 1700000072.0, "loss": 0.01643835616438356, "inner.acc": 0.72}');
INSERT INTO "lines" VALUES(1,'history',73,73,'{"_step": 73, "_timestamp": 1700000073.0, "loss": 0.016216216216216217, "inner.acc": 0.73}');
INSERT INTO "lines" VALUES(1,'history',74,74,'{"_step": 74, "_timestamp": 1700000074.0, "loss": 0.016, "inner.acc": 0.74}');
INSERT INTO "lines" VALUES(1,'history',75,75,'{"_step": 75, "_timestamp": 1700000075.0, "loss": 0.015789473684210527, "inner.acc": 0.75}');
INSERT INTO "lines" VALUES(1,'history',76,76,'{"_step": 76, "_timestamp": 1700000076.0, "loss": 0.015584415584415584, "inner.acc": 0.76}');
INSERT INTO "lines" VALUES(1,'history',77,77,'{"_step": 77, "_timestamp": 1700000077.0, "loss": 0.015384615384615384, "inner.acc": 0.77}');
INSERT INTO "lines" VALUES(1,'history',78,78,'{"_step": 78, "_timestamp": 1700000078.0, "loss": 0.015189873417721518, "inner.acc": 0.78}');
INSERT INTO "lines" VALUES(1,'history',79,79,'{"_step": 79, "_timestamp": 1700000079.0, "loss": 0.015, "inner.acc": 0.79}');
INSERT INTO "lines" VALUES(1,'history',80,80,'{"_step": 80, "_timestamp": 1700000080.0, "loss": 0.014814814814814814, "inner.acc": 0.8}');
INSERT INTO "lines" VALUES(1,'history',81,81,'{"_step": 81, "_timestamp": 1700000081.0, "loss": 0.014634146341463414, "inner.acc": 0.81}');
INSERT INTO "lines" VALUES(1,'history',82,82,'{"_step": 82, "_timestamp": 1700000082.0, "loss": 0.014457831325301203, "inner.acc": 0.82}');
INSERT INTO "lines" VALUES(1,'history',83,83,'{"_step": 83, "_timestamp": 1700000083.0, "loss": 0.014285714285714285, "inner.acc": 0.83}');
INSERT INTO "lines" VALUES(1,'history',84,84,'{"_step": 84, "_timestamp": 1700000084.0, "loss": 0.014117647058823528, "inner.acc": 0.84}');
INSERT INTO "lines" VALUES(1,'history',85,85,'{"_step": 85, "_timestamp": 1700000085.0, "loss": 0.013953488372093023, "inner.acc": 0.85}');
INSERT INTO "lines" VALUES(1,'history',86,86,'{"_step": 86, "_timestamp": 1700000086.0, "loss": 0.013793103448275862, "inner.acc": 0.86}');
INSERT INTO "lines" VALUES(1,'history',87,87,'{"_step": 87, "_timestamp": 1700000087.0, "loss": 0.013636363636363636, "inner.acc": 0.87}');
INSERT INTO "lines" VALUES(1,'history',88,88,'{"_step": 88, "_timestamp": 1700000088.0, "loss": 0.01348314606741573, "inner.acc": 0.88}');
INSERT INTO "lines" VALUES(1,'history',89,89,'{"_step": 89, "_timestamp": 1700000089.0, "loss": 0.013333333333333332, "inner.acc": 0.89}');
INSERT INTO "lines" VALUES(1,'history',90,90,'{"_step": 90, "_timestamp": 1700000090.0, "loss": 0.013186813186813187, "inner.acc": 0.9}');
INSERT INTO "lines" VALUES(1,'history',91,91,'{"_step": 91, "_timestamp": 1700000091.0, "loss": 0.013043478260869565, "inner.acc": 0.91}');
INSERT INTO "lines" VALUES(1,'history',92,92,'{"_step": 92, "_timestamp": 1700000092.0, "loss": 0.012903225806451613, "inner.acc": 0.92}');
INSERT INTO "lines" VALUES(1,'history',93,93,'{"_step": 93, "_timestamp": 1700000093.0, "loss": 0.01276595744680851, "inner.acc": 0.93}');
INSERT INTO "lines" VALUES(1,'history',94,94,'{"_step": 94, "_timestamp": 1700000094.0, "loss": 0.01263157894736842, "inner.acc": 0.94}');
INSERT INTO "lines" VALUES(1,'history',95,95,'{"_step": 95, "_timestamp": 1700000095.0, "loss": 0.012499999999999999, "inner.acc": 0.95}');
INSERT INTO "lines" VALUES(1,'history',96,96,'{"_step": 96, "_timestamp": 1700000096.0, "loss": 0.012371134020618556, "inner.acc": 0.96}');
INSERT INTO "lines" VALUES(1,'history',97,97,'{"_step": 97, "_timestamp": 1700000097.0, "loss": 0.012244897959183673, "inner.acc": 0.97}');
INSERT INTO "lines" VALUES(1,'history',98,98,'{"_step": 98, "_timestamp": 1700000098.0, "loss": 0.012121212121212121, "inner.acc": 0.98}');
INSERT INTO "lines" VALUES(1,'history',99,99,'{"_step": 99, "_timestamp": 1700000099.0, "loss": 0.012, "inner.acc": 0.99}');
INSERT INTO "lines" VALUES(1,'history',100,100,'{"_step": 100, "_timestamp": 1700000100.0, "loss": 0.011881188118811881, "inner.acc": 1.0}');
INSERT INTO "lines" VALUES(1,'history',101,101,'{"_step": 101, "_timestamp": 1700000101.0, "loss": 0.011764705882352941, "inner.acc": 1.01}');
INSERT INTO "lines" VALUES(1,'history',102,102,'{"_step": 102, "_timestamp": 1700000102.0, "loss": 0.011650485436893204, "inner.acc": 1.02}');
INSERT INTO "lines" VALUES(1,'history',103,103,'{"_step": 103, "_timestamp": 1700000103.0, "loss": 0.011538461538461537, "inner.acc": 1.03}');
INSERT INTO "lines" VALUES(1,'history',104,104,'{"_step": 104, "_timestamp": 1700000104.0, "loss": 0.011428571428571429, "inner.acc": 1.04}');
INSERT INTO "lines" VALUES(1,'history',105,105,'{"_step": 105, "_timestamp": 1700000105.0, "loss": 0.011320754716981131, "inner.acc": 1.05}');
INSERT INTO "lines" VALUES(1,'history',106,106,'{"_step": 106, "_timestamp": 1700000106.0, "loss": 0.011214953271028037, "inner.acc": 1.06}');
INSERT INTO "lines" VALUES(1,'history',107,107,'{"_step": 107, "_timestamp": 1700000107.0, "loss": 0.011111111111111112, "inner.acc": 1.07}');
INSERT INTO "lines" VALUES(1,'history',108,108,'{"_step": 108, "_timestamp": 1700000108.0, "loss": 0.011009174311926604, "inner.acc": 1.08}');
INSERT INTO "lines" VALUES(1,'history',109,109,'{"_step": 109, "_timestamp": 1700000109.0, "loss": 0.010909090909090908, "inner.acc": 1.09}');
INSERT INTO "lines" VALUES(1,'history',110,110,'{"_step": 110, "_timestamp": 1700000110.0, "loss": 0.01081081081081081, "inner.acc": 1.1}');
INSERT INTO "lines" VALUES(1,'history',111,111,'{"_step": 111, "_timestamp": 1700000111.0, "loss": 0.010714285714285714, "inner.acc": 1.11}');
INSERT INTO "lines" VALUES(1,'history',112,112,'{"_step": 112, "_timestamp": 1700000112.0, "loss": 0.010619469026548672, "inner.acc": 1.12}');
INSERT INTO "lines" VALUES(1,'history',113,113,'{"_step": 113, "_timestamp": 1700000113.0, "loss": 0.010526315789473684, "inner.acc": 1.13}');
INSERT INTO "lines" VALUES(1,'history',114,114,'{"_step": 114, "_timestamp": 1700000114.0, "loss": 0.010434782608695651, "inner.acc": 1.14}');
INSERT INTO "lines" VALUES(1,'history',115,115,'{"_step": 115, "_timestamp": 1700000115.0, "loss": 0.010344827586206896, "inner.acc": 1.15}');
INSERT INTO "lines" VALUES(1,'history',116,116,'{"_step": 116, "_timestamp": 1700000116.0, "loss": 0.010256410256410256, "inner.acc": 1.16}');
INSERT INTO "lines" VALUES(1,'history',117,117,'{"_step": 117, "_timestamp": 1700000117.0, "loss": 0.010169491525423728, "inner.acc": 1.17}');
INSERT INTO "lines" VALUES(1,'history',118,118,'{"_step": 118, "_timestamp": 1700000118.0, "loss": 0.010084033613445377, "inner.acc": 1.18}');
INSERT INTO "lines" VALUES(1,'history',119,119,'{"_step": 119, "_timestamp": 1700000119.0, "loss": 0.01, "inner.acc": 1.19}');
INSERT INTO "lines" VALUES(1,'history',120,120,'{"_step": 120, "_timestamp": 1700000120.0, "loss": 0.009917355371900825, "inner.acc": 1.2}');
INSERT INTO "lines" VALUES(1,'history',121,121,'{"_step": 121, "_timestamp": 1700000121.0, "loss": 0.009836065573770491, "inner.acc": 1.21}');
INSERT INTO "lines" VALUES(1,'history',122,122,'{"_step": 122, "_timestamp": 1700000122.0, "loss": 0.00975609756097561, "inner.acc": 1.22}');
INSERT INTO "lines" VALUES(1,'history',123,123,'{"_step": 123, "_timestamp": 1700000123.0, "loss": 0.00967741935483871, "inner.acc": 1.23}');
INSERT INTO "lines" VALUES(1,'history',124,124,'{"_step": 124, "_timestamp": 1700000124.0, "loss": 0.0096, "inner.acc": 1.24}');
INSERT INTO "lines" VALUES(1,'history',125,125,'{"_step": 125, "_timestamp": 1700000125.0, "loss": 0.009523809523809523, "inner.acc": 1.25}');
INSERT INTO "lines" VALUES(1,'history',126,126,'{"_step": 126, "_timestamp": 1700000126.0, "loss": 0.009448818897637795, "inner.acc": 1.26}');
INSERT INTO "lines" VALUES(1,'history',127,127,'{"_step": 127, "_timestamp": 1700000127.0, "loss": 0.009375, "inner.acc": 1.27}');
INSERT INTO "lines" VALUES(1,'history',128,128,'{"_step": 128, "_timestamp": 1700000128.0, "loss": 0.009302325581395349, "inner.acc": 1.28}');
INSERT INTO "lines" VALUES(1,'history',129,129,'{"_step": 129, "_timestamp": 1700000129.0, "loss": 0.00923076923076923, "inner.acc": 1.29}');
INSERT INTO "lines" VALUES(1,'history',130,130,'{"_step": 130, "_timestamp": 1700000130.0, "loss": 0.00916030534351145, "inner.acc": 1.3}');
INSERT INTO "lines" VALUES(1,'history',131,131,'{"_step": 131, "_timestamp": 1700000131.0, "loss": 0.00909090909090909, "inner.acc": 1.31}');
INSERT INTO "lines" VALUES(1,'history',132,132,'{"_step": 132, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}}');
INSERT INTO "lines" VALUES(2,'console',0,NULL,'begin 3u7yjp19
');
INSERT INTO "lines" VALUES(2,'console',1,NULL,'Süd: 5 €
');
INSERT INTO "lines" VALUES(2,'events',0,NULL,'{"system.cpu": 12.5, "_runtime": 3}');
INSERT INTO "lines" VALUES(2,'history',0,0,'{"_step": 0, "_timestamp": 1700000000.0, "loss": 1.6, "inner.acc": 0.0}');
INSERT INTO "lines" VALUES(2,'history',1,1,'{"_step": 1, "_timestamp": 1700000001.0, "loss": 0.8, "inner.acc": 0.01}');
INSERT INTO "lines" VALUES(2,'history',2,2,'{"_step": 2, "_timestamp": 1700000002.0, "loss": 0.5333333333333333, "inner.acc": 0.02}');
INSERT INTO "lines" VALUES(2,'history',3,3,'{"_step": 3, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}}');
INSERT INTO "lines" VALUES(3,'console',0,NULL,'begin a6dwjrvp
');
INSERT INTO "lines" VALUES(3,'console',1,NULL,'Süd: 5 €
');
INSERT INTO "lines" VALUES(3,'events',0,NULL,'{"system.cpu": 12.5, "_runtime": 3}');
INSERT INTO "lines" VALUES(3,'history',0,0,'{"_step": 0, "_timestamp": 1700000000.0, "loss": 1.4, "inner.acc": 0.0}');
INSERT INTO "lines" VALUES(3,'history',1,1,'{"_step": 1, "_timestamp": 1700000001.0, "loss": 0.7, "inner.acc": 0.01}');
INSERT INTO "lines" VALUES(3,'history',2,2,'{"_step": 2, "_timestamp": 1700000002.0, "loss": 0.4666666666666666, "inner.acc": 0.02}');
INSERT INTO "lines" VALUES(3,'history',3,3,'{"_step": 3, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}}');
INSERT INTO "lines" VALUES(4,'console',0,NULL,'begin alone
');
INSERT INTO "lines" VALUES(4,'console',1,NULL,'Süd: 5 €
');
INSERT INTO "lines" VALUES(4,'events',0,NULL,'{"system.cpu": 12.5, "_runtime": 3}');
INSERT INTO "lines" VALUES(4,'history',0,0,'{"_step": 0, "_timestamp": 1700000000.0, "loss": 1.0, "inner.acc": 0.0}');
INSERT INTO "lines" VALUES(4,'history',1,1,'{"_step": 1, "_timestamp": 1700000001.0, "loss": 0.5, "inner.acc": 0.01}');
INSERT INTO "lines" VALUES(4,'history',2,2,'{"_step": 2, "_timestamp": 1700000002.0, "loss": 0.3333333333333333, "inner.acc": 0.02}');
INSERT INTO "lines" VALUES(4,'history',3,3,'{"_step": 3, "_timestamp": 1700000003.0, "loss": 0.25, "inner.acc": 0.03}');
INSERT INTO "lines" VALUES(4,'history',4,4,'{"_step": 4, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}}');
INSERT INTO "lines" VALUES(5,'history',-5,0,'{"_step": 0, "_timestamp": 1700000000.0, "loss": 1.0, "inner.acc": 0.0}');
INSERT INTO "lines" VALUES(5,'history',-4,1,'{"_step": 1, "_timestamp": 1700000001.0, "loss": 0.5, "inner.acc": 0.01}');
INSERT INTO "lines" VALUES(5,'history',-3,2,'{"_step": 2, "_timestamp": 1700000002.0, "loss": 0.3333333333333333, "inner.acc": 0.02}');
INSERT INTO "lines" VALUES(5,'history',3,3,'{"_step": 3, "loss": 0.01}');
INSERT INTO "lines" VALUES(7,'console',0,NULL,'begin kmnxmcri
');
INSERT INTO "lines" VALUES(7,'console',1,NULL,'Süd: 5 €
');
INSERT INTO "lines" VALUES(7,'events',0,NULL,'{"system.cpu": 12.5, "_runtime": 3}');
INSERT INTO "lines" VALUES(7,'history',0,0,'{"_step": 0, "_timestamp": 1700000000.0, "loss": 0.7, "inner.acc": 0.0}');
INSERT INTO "lines" VALUES(7,'history',1,1,'{"_step": 1, "_timestamp": 1700000001.0, "loss": 0.35, "inner.acc": 0.01}');
INSERT INTO "lines" VALUES(7,'history',2,2,'{"_step": 2, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}}');
INSERT INTO "lines" VALUES(8,'console',0,NULL,'begin hers
');
INSERT INTO "lines" VALUES(8,'console',1,NULL,'Süd: 5 €
');
INSERT INTO "lines" VALUES(8,'events',0,NULL,'{"system.cpu": 12.5, "_runtime": 3}');
INSERT INTO "lines" VALUES(8,'history',0,0,'{"_step": 0, "_timestamp": 1700000000.0, "loss": 1.0, "inner.acc": 0.0}');
INSERT INTO "lines" VALUES(8,'history',1,1,'{"_step": 1, "_timestamp": 1700000001.0, "loss": 0.5, "inner.acc": 0.01}');
INSERT INTO "lines" VALUES(8,'history',2,2,'{"_step": 2, "_timestamp": 1700000002.0, "loss": 0.3333333333333333, "inner.acc": 0.02}');
INSERT INTO "lines" VALUES(8,'history',3,3,'{"_step": 3, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}}');
INSERT INTO "lines" VALUES(10,'console',0,NULL,'begin g5z041m4
');
INSERT INTO "lines" VALUES(10,'console',1,NULL,'Süd: 5 €
');
INSERT INTO "lines" VALUES(10,'events',0,NULL,'{"system.cpu": 12.5, "_runtime": 3}');
INSERT INTO "lines" VALUES(10,'history',0,0,'{"_step": 0, "_timestamp": 1700000000.0, "loss": 1.4, "inner.acc": 0.0}');
INSERT INTO "lines" VALUES(10,'history',1,1,'{"_step": 1, "_timestamp": 1700000001.0, "loss": 0.7, "inner.acc": 0.01}');
INSERT INTO "lines" VALUES(10,'history',2,2,'{"_step": 2, "_timestamp": 1700000002.0, "loss": 0.4666666666666666, "inner.acc": 0.02}');
INSERT INTO "lines" VALUES(10,'history',3,3,'{"_step": 3, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}}');
INSERT INTO "lines" VALUES(11,'console',0,NULL,'begin ba2goxdd
');
INSERT INTO "lines" VALUES(11,'console',1,NULL,'Süd: 5 €
');
INSERT INTO "lines" VALUES(11,'events',0,NULL,'{"system.cpu": 12.5, "_runtime": 3}');
INSERT INTO "lines" VALUES(11,'history',0,0,'{"_step": 0, "_timestamp": 1700000000.0, "loss": 1.6, "inner.acc": 0.0}');
INSERT INTO "lines" VALUES(11,'history',1,1,'{"_step": 1, "_timestamp": 1700000001.0, "loss": 0.8, "inner.acc": 0.01}');
INSERT INTO "lines" VALUES(11,'history',2,2,'{"_step": 2, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}}');
INSERT INTO "lines" VALUES(12,'console',0,NULL,'begin lkekqt3r
');
INSERT INTO "lines" VALUES(12,'console',1,NULL,'Süd: 5 €
');
INSERT INTO "lines" VALUES(12,'events',0,NULL,'{"system.cpu": 12.5, "_runtime": 3}');
INSERT INTO "lines" VALUES(12,'history',0,0,'{"_step": 0, "_timestamp": 1700000000.0, "loss": 1.1, "inner.acc": 0.0}');
INSERT INTO "lines" VALUES(12,'history',1,1,'{"_step": 1, "_timestamp": 1700000001.0, "loss": 0.55, "inner.acc": 0.01}');
INSERT INTO "lines" VALUES(12,'history',2,2,'{"_step": 2, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}}');
CREATE TABLE manifests (
            id INTEGER PRIMARY KEY,
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            kind TEXT NOT NULL CHECK (kind IN ('FULL', 'PATCH', 'INCREMENTAL')),
            base_id INTEGER,
            digest TEXT,
            blob TEXT
        );
INSERT INTO "manifests" VALUES(1,1,'FULL',NULL,'605154db0f309514fb4821ccfaf4ab26','8d2d5f41d9f696651470f08f57cef14ad5a84c3a5ac18beaf1e6628898a9c548');
INSERT INTO "manifests" VALUES(2,2,'FULL',NULL,'276f0401f287984a9fac8440c6146695','87aadd140531aa8b21d0d0761ff0f39fbddea227b177f9481e08bb9a8fdddc49');
INSERT INTO "manifests" VALUES(3,3,'FULL',NULL,'a8c0fd64deedaf2940f20f14ae85d6a3','a298ba5a1a296548e359845d18152c3cfc406307286463d704ac30e3911b5680');
INSERT INTO "manifests" VALUES(4,5,'FULL',NULL,'cd9e0aa893c21780edf4e1cc60df2277','e370a8b33522cb7720a0cf35db8dd336bec6ec33584919bbc9aa05c50d02f6bd');
CREATE TABLE members (
            project_id INTEGER NOT NULL REFERENCES projects(id) ON DELETE CASCADE,
            user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
            role TEXT NOT NULL CHECK (role IN ('read', 'write')),
            PRIMARY KEY (project_id, user_id)
        ) WITHOUT ROWID;
INSERT INTO "members" VALUES(4,3,'read');
CREATE TABLE memberships (
            id INTEGER PRIMARY KEY,
            collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            version_index INTEGER NOT NULL,
            created_at REAL NOT NULL,
            UNIQUE (collection_id, artifact_id)
        );
INSERT INTO "memberships" VALUES(1,1,1,0,1.79596060820600414279e+09);
INSERT INTO "memberships" VALUES(2,1,2,1,1.79596060823087525374e+09);
INSERT INTO "memberships" VALUES(3,2,3,0,1.79596060830382847793e+09);
INSERT INTO "memberships" VALUES(4,4,1,0,1.79596060842109441759e+09);
INSERT INTO "memberships" VALUES(5,5,5,0,1.79596060843602085116e+09);
CREATE TABLE points (
            sweep_id INTEGER NOT NULL REFERENCES sweeps(id),
            idx INTEGER NOT NULL,
            args TEXT NOT NULL,
            state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'claimed', 'ended')),
            run_id INTEGER REFERENCES runs(id) ON DELETE SET NULL,
            agent_id INTEGER REFERENCES agents(id),
            lease_until REAL,
            resume INTEGER NOT NULL DEFAULT 0,
            attempts INTEGER NOT NULL DEFAULT 0, coordinates TEXT, lost INTEGER NOT NULL DEFAULT 0, added INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (sweep_id, idx)
        ) WITHOUT ROWID;
INSERT INTO "points" VALUES(1,0,'{"x":1}','ended',1,1,NULL,0,0,NULL,0,0);
INSERT INTO "points" VALUES(1,1,'{"x":2}','ended',2,1,NULL,0,0,NULL,0,0);
INSERT INTO "points" VALUES(1,2,'{"x":3}','ended',3,1,NULL,0,0,NULL,0,0);
INSERT INTO "points" VALUES(1,3,'{"x":4}','claimed',11,3,1.79596421972478818892e+09,0,0,NULL,1,0);
INSERT INTO "points" VALUES(1,4,'{"x":5}','pending',12,4,NULL,1,0,NULL,0,0);
INSERT INTO "points" VALUES(1,5,'{"x":6}','pending',NULL,NULL,NULL,0,0,NULL,0,0);
INSERT INTO "points" VALUES(1,6,'{"x":7}','pending',NULL,NULL,NULL,0,0,NULL,0,0);
INSERT INTO "points" VALUES(2,0,'{"lr":0.785706643463746}','ended',7,2,NULL,0,0,'[0.785706643463746]',0,0);
CREATE TABLE progress (
            run_id INTEGER PRIMARY KEY REFERENCES runs(id) ON DELETE CASCADE,
            lines INTEGER NOT NULL,
            count INTEGER NOT NULL,
            best REAL
        );
INSERT INTO "progress" VALUES(1,133,132,0.00909090909090909);
INSERT INTO "progress" VALUES(2,4,3,5.33333333333333325931e-01);
INSERT INTO "progress" VALUES(3,4,3,4.66666666666666618557e-01);
INSERT INTO "progress" VALUES(7,3,2,0.35);
INSERT INTO "progress" VALUES(10,4,3,4.66666666666666618557e-01);
INSERT INTO "progress" VALUES(11,3,2,0.8);
INSERT INTO "progress" VALUES(12,3,2,0.55);
CREATE TABLE "projects" (
            id INTEGER PRIMARY KEY,
            user_id INTEGER NOT NULL REFERENCES users(id),
            name TEXT NOT NULL,
            description TEXT,
            created_at REAL NOT NULL,
            runs_made INTEGER NOT NULL DEFAULT 0,
            UNIQUE (user_id, name)
        );
INSERT INTO "projects" VALUES(1,1,'first',NULL,1.79596060793044924736e+09,6);
INSERT INTO "projects" VALUES(2,1,'second',NULL,1.79596060834230279918e+09,4);
INSERT INTO "projects" VALUES(3,2,'own',NULL,1.79596061049979758257e+09,1);
INSERT INTO "projects" VALUES(4,2,'shared',NULL,1.79596061053605341915e+09,1);
CREATE TABLE quotas (
            user_id INTEGER PRIMARY KEY REFERENCES users(id) ON DELETE CASCADE,
            runs INTEGER,
            bytes INTEGER
        );
INSERT INTO "quotas" VALUES(2,100,1000000000);
CREATE TABLE run_files (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            md5 TEXT NOT NULL,
            size INTEGER NOT NULL,
            updated_at REAL NOT NULL, blob TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (run_id, name)
        ) WITHOUT ROWID;
INSERT INTO "run_files" VALUES(1,'config.yaml','78a3bb7b0c5aa64f491058ea8199e4c9',5,1.79596060805188369752e+09,'d09edadd173a8bbc233d47dcafc30cc876af2fb569812f2bbe0e92a1905bbce8');
INSERT INTO "run_files" VALUES(1,'media/images/i_0.png','17b3e19593efeb4c09a755092de9d245',67,1.79596060810362553603e+09,'eaa4a94ea300e0d2c775968cbe42f0b5b51ceafdeb73d64e9efddf6d4e880865');
INSERT INTO "run_files" VALUES(1,'media/table/t_0.table.json','c2b6c12acbc07a357786df90b75de251',45,1.79596060807602477069e+09,'4296cf0ca13fd0bb3d998b5fe43d2c68c413b04a00f72156afcc73de08b82d8b');
CREATE TABLE rungs (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            band INTEGER NOT NULL,
            sweep_id INTEGER NOT NULL REFERENCES sweeps(id),
            loss REAL NOT NULL,
            PRIMARY KEY (run_id, band)
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
            heartbeat_at REAL NOT NULL, row_bytes INTEGER NOT NULL DEFAULT 0,
            UNIQUE (project_id, name)
        );
INSERT INTO "runs" VALUES(1,1,'qse0svx6','finished','finished',1,'{"x":{"value":1},"_wandb":{"value":{}}}','{"loss": 0.00909090909090909, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}, "nested": {"a": [1, null, "x"]}}','{"system.cpu": 12.5, "_runtime": 3}','["a", "finished"]','notes of finished',NULL,'group','train','0123abc','node1',NULL,NULL,1,1,0,0,0,1.79596060794145607943e+09,1.79596060796191620825e+09,11789);
INSERT INTO "runs" VALUES(2,1,'3u7yjp19','best','finished',1,'{"x":{"value":2},"_wandb":{"value":{}}}','{"loss": 0.5333333333333333, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}, "nested": {"a": [1, null, "x"]}}','{"system.cpu": 12.5, "_runtime": 3}','["a", "best"]','notes of best',NULL,'group','train','0123abc','node1',NULL,NULL,1,1,0,0,0,1795960607.97687,1.79596060799262452123e+09,509);
INSERT INTO "runs" VALUES(3,1,'a6dwjrvp','failed','failed',1,'{"x":{"value":3},"_wandb":{"value":{}}}','{"loss": 0.4666666666666666, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}, "nested": {"a": [1, null, "x"]}}','{"system.cpu": 12.5, "_runtime": 3}','["a", "failed"]','notes of failed',NULL,'group','train','0123abc','node1',NULL,NULL,1,1,0,0,1,1.7959606080003798008e+09,1.79596060803560733792e+09,509);
INSERT INTO "runs" VALUES(4,2,'alone','alone','finished',1,'{"lr":{"value":0.5}}','{"loss": 0.25, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}, "nested": {"a": [1, null, "x"]}}','{"system.cpu": 12.5, "_runtime": 3}','["free"]',NULL,NULL,NULL,'train','0123abc','node1',NULL,NULL,NULL,NULL,0,0,0,1.79596060834242153168e+09,1.79596060835157370571e+09,579);
INSERT INTO "runs" VALUES(5,2,'forked','forked','finished',1,'{"_wandb":{"value":{"branch_point":{"run_id":"alone","step":2}}}}','{}','{}','[]',NULL,NULL,NULL,'train','0123abc','node1',NULL,NULL,NULL,NULL,0,0,0,1.79596060835673332215e+09,1.79596060838097667695e+09,26);
INSERT INTO "runs" VALUES(7,2,'kmnxmcri','drawn','finished',1,'{"lr":{"value":0.785706643463746}}','{"loss": 0.35, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}, "nested": {"a": [1, null, "x"]}}','{"system.cpu": 12.5, "_runtime": 3}','[]',NULL,NULL,NULL,'train','0123abc','node1',NULL,NULL,2,2,0,0,0,1.79596060875360393526e+09,1.79596060876387810705e+09,423);
INSERT INTO "runs" VALUES(8,3,'hers','hers','finished',1,'{}','{"loss": 0.3333333333333333, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}, "nested": {"a": [1, null, "x"]}}','{"system.cpu": 12.5, "_runtime": 3}','[]',NULL,NULL,NULL,'train','0123abc','node1',NULL,NULL,NULL,NULL,0,0,0,1.7959606104999988079e+09,1795960610.53392,505);
INSERT INTO "runs" VALUES(9,4,'both','both','finished',1,'{}','{}','{}','[]',NULL,NULL,NULL,'train','0123abc','node1',NULL,NULL,NULL,NULL,0,0,0,1.79596061053616213795e+09,1.79596061053730130189e+09,0);
INSERT INTO "runs" VALUES(10,1,'g5z041m4','silent','crashed',1,'{"x":{"value":4},"_wandb":{"value":{}}}','{"loss": 0.4666666666666666, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}, "nested": {"a": [1, null, "x"]}}','{"system.cpu": 12.5, "_runtime": 3}','["a", "silent"]','notes of silent',NULL,'group','train','0123abc','node1',NULL,NULL,1,1,0,0,NULL,1.79596061451770520204e+09,1.79596061452795171739e+09,509);
INSERT INTO "runs" VALUES(11,1,'ba2goxdd','held','running',1,'{"x":{"value":4},"_wandb":{"value":{}}}','{"loss": 0.8, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}, "nested": {"a": [1, null, "x"]}}','{"system.cpu": 12.5, "_runtime": 3}','["a", "held"]','notes of held',NULL,'group','train','0123abc','node1',NULL,NULL,1,3,0,0,NULL,1.79596061971112489702e+09,1.79596061971963787077e+09,422);
INSERT INTO "runs" VALUES(12,1,'lkekqt3r','preempted','preempted',1,'{"x":{"value":5},"_wandb":{"value":{}}}','{"loss": 0.55, "t": {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}, "i": {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}, "nested": {"a": [1, null, "x"]}}','{"system.cpu": 12.5, "_runtime": 3}','["a", "preempted"]','notes of preempted',NULL,'group','train','0123abc','node1',NULL,NULL,1,4,0,1,1,1.79596061972495293617e+09,1.79596061973656868937e+09,423);
CREATE TABLE sessions (
            digest TEXT PRIMARY KEY,
            user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
            key_digest TEXT NOT NULL,
            expires_at REAL NOT NULL
        ) WITHOUT ROWID;
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
            updated_at REAL NOT NULL, watched INTEGER NOT NULL DEFAULT 0, prior_runs TEXT, scheduled INTEGER NOT NULL DEFAULT 0,
            UNIQUE (project_id, name)
        );
INSERT INTO "sweeps" VALUES(1,1,'if7qerda','grid',NULL,'name: grid
method: grid
metric: {name: loss, goal: minimize}
parameters:
  x: {values: [1, 2, 3, 4, 5, 6, 7]}
','grid',NULL,'loss','minimize','RUNNING',7,1.79596060793057918543e+09,1.79596060793057918543e+09,0,NULL,0);
INSERT INTO "sweeps" VALUES(2,2,'5xci3c0c','drawn',NULL,'name: drawn
method: random
run_cap: 4
metric: {name: loss, goal: minimize}
parameters:
  lr: {min: 0.1, max: 0.9}
','random',NULL,'loss','minimize','RUNNING',4,1.79596060874354219441e+09,1.79596060874354219441e+09,0,NULL,0);
CREATE TABLE users (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            created_at REAL NOT NULL
        );
INSERT INTO "users" VALUES(1,'local',1795960606.0);
INSERT INTO "users" VALUES(2,'north',1.79596060951136851308e+09);
INSERT INTO "users" VALUES(3,'south',1.79596061017727017406e+09);
CREATE TABLE writers (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            stream TEXT NOT NULL,
            writer TEXT NOT NULL,
            line INTEGER NOT NULL,
            place INTEGER NOT NULL,
            PRIMARY KEY (run_id, stream, writer, line)
        ) WITHOUT ROWID;
CREATE INDEX agents_by_sweep ON agents(sweep_id);
CREATE INDEX runs_by_sweep ON runs(sweep_id, id);
CREATE INDEX runs_by_agent ON runs(agent_id);
CREATE INDEX runs_alive ON runs(heartbeat_at) WHERE state IN ('pending', 'running');
CREATE INDEX points_by_state ON points(sweep_id, state, idx);
CREATE UNIQUE INDEX points_by_run ON points(run_id) WHERE run_id IS NOT NULL;
CREATE INDEX points_by_lease ON points(lease_until) WHERE state = 'claimed';
CREATE INDEX points_by_agent ON points(agent_id) WHERE state = 'claimed';
CREATE INDEX lines_by_step ON lines(run_id, step) WHERE stream = 'history';
CREATE INDEX aliases_by_artifact ON aliases(artifact_id);
CREATE INDEX artifacts_by_digest ON artifacts(collection_id, digest);
CREATE UNIQUE INDEX artifacts_by_version ON artifacts(collection_id, version_index);
CREATE INDEX artifacts_by_client ON artifacts(client_id);
CREATE INDEX lineage_by_artifact ON lineage(artifact_id, role);
CREATE INDEX keys_by_user ON keys(user_id);
CREATE INDEX members_by_user ON members(user_id);
CREATE INDEX entries_by_md5 ON entries(md5);
CREATE INDEX rungs_by_band ON rungs(sweep_id, band, loss);
CREATE INDEX runs_by_project ON runs(project_id, id);
CREATE INDEX artifacts_by_ttl ON artifacts(created_at + ttl) WHERE ttl > 0 AND state = 'COMMITTED';
CREATE UNIQUE INDEX memberships_by_version ON memberships(collection_id, version_index);
CREATE INDEX memberships_by_artifact ON memberships(artifact_id);
CREATE INDEX manifests_by_artifact ON manifests(artifact_id);
CREATE INDEX run_files_by_blob ON run_files(blob);
CREATE INDEX artifacts_by_manifest ON artifacts(manifest_blob) WHERE manifest_blob IS NOT NULL;
CREATE INDEX entries_by_blob ON entries(blob) WHERE blob IS NOT NULL;
CREATE INDEX arrivals_by_user ON arrivals(user_id, md5) WHERE blob IS NOT NULL;
CREATE INDEX arrivals_by_blob ON arrivals(blob) WHERE blob IS NOT NULL;
CREATE INDEX manifests_by_blob ON manifests(blob) WHERE blob IS NOT NULL;
COMMIT;
PRAGMA user_version = 7;
