# SPDX-License-Identifier: Apache-2.0
"""Random migration projects for campaigns: from one seed always the same files, on one engine.

Every migration leaves rows in `ledger`, a table without any key, so that what ran twice is there twice. What lies beside
it is of every kind: DDL in and out of transactions, data in both, indexes built concurrently, enum values, VACUUM, COPY,
table rebuilds, procedures, settings of the session, hooks, seeds and repeatables.
"""

import random

FIRST = 100


class Probe:
    """Tells by the data whether a statement whose outcome nobody knows has run: a row of the ledger, or a query that says 1."""

    def __init__(self, what=None, sql=None):
        self.what, self.sql = what, sql


class Migration:
    def __init__(self, version, name):
        self.version, self.name = version, name
        self.head = ""
        self.up, self.down = [], []
        self.up_probes, self.down_probes = {}, {}  # by statement, from 1

    def files(self, folder):
        base = f"{folder}/{self.version}_{self.name}"
        return {
            f"{base}.up.sql": self.head + "".join(f"{statement}\n" for statement in self.up),
            f"{base}.down.sql": self.head + "".join(f"{statement}\n" for statement in self.down),
        }


class Project:
    """Files to be, as .files; .migrations in order."""

    def __init__(self, engine, seed, count=12, convention="whimbrel", kinds=None, hooks=None):
        self.engine, self.seed, self.convention = engine, seed, convention
        self.random = random.Random(f"{engine} {seed} {convention}")
        self.migrations = []
        self.tables = []
        self.hooks = hooks if hooks is not None else self.random.choice(["none", "sql", "sql", "programs"])
        if convention != "whimbrel":
            self.hooks = "none"
        recipes = dict(RECIPES[engine])
        if convention != "whimbrel":
            # Its history keeps no journal: only what is one transaction can be gone on with unattended.
            recipes = {name: make for name, make in recipes.items() if make.is_plain}
        names = kinds or list(recipes)
        self.add("start", start)
        pending = []
        while len(self.migrations) < count:
            if not pending:  # each kind comes before any comes again
                pending = self.random.sample(names, len(names))
            self.add(pending[0].strip("_"), recipes[pending[0]])
            pending.pop(0)

    def add(self, name, make):
        migration = Migration(str(FIRST + len(self.migrations)), name)
        make(self, migration)
        self.migrations.append(migration)

    @property
    def versions(self):
        return [migration.version for migration in self.migrations]

    def migration(self, version):
        return next(migration for migration in self.migrations if migration.version == version)

    @property
    def files(self):
        files = {}
        for migration in self.migrations:
            files.update(migration.files("migrations"))
        if self.convention == "whimbrel":
            files["migrations/R__totals.sql"] = self.repeatable(1)
            files["migrations/seeds/dev.sql"] = "".join(
                f"INSERT INTO ledger VALUES ('seed {n}', {n});\n" for n in range(30)
            )
            files.update(self.hook_files())
        return files

    def repeatable(self, edition):
        text = "DROP VIEW IF EXISTS totals;\nCREATE VIEW totals AS SELECT what, count(*) AS n FROM ledger "
        return text + f"GROUP BY what;\nINSERT INTO ledger VALUES ('totals', {edition});\n"

    def hook_files(self):
        if self.hooks == "none":
            return {}
        table = "CREATE TABLE IF NOT EXISTS hooked (what varchar(100));\n"
        files = {
            "migrations/hooks/before-migrate.sql": table + "INSERT INTO hooked VALUES ('before-migrate');\n",
            "migrations/hooks/after-migrate.sql": "INSERT INTO hooked VALUES ('after-migrate');\n",
            "migrations/hooks/before-each.sql": "INSERT INTO hooked VALUES ('before ${version}');\n",
            "migrations/hooks/after-each.sql": "INSERT INTO hooked VALUES ('after ${version}');\n",
            "migrations/hooks/before-rollback.sql": "INSERT INTO hooked VALUES ('before-rollback');\n",
        }
        if self.hooks == "programs":
            files["migrations/hooks/after-each"] = '#!/bin/sh\necho "$WHIMBREL_DIRECTION $WHIMBREL_VERSION" >>hooked\n'
        return files

    # -- what recipes say ----------------------------------------------------------------------------------------

    def table(self):
        return self.random.choice(self.tables)

    def note(self, migration, is_down=False, is_lone=False, extra=""):
        statements = migration.down if is_down else migration.up
        what = f"{migration.version} {'down' if is_down else 'up'} {len(statements) + 1}{extra}"
        statements.append(f"INSERT INTO ledger VALUES ('{what}', 1);")
        if is_lone:
            probes = migration.down_probes if is_down else migration.up_probes
            probes[len(statements)] = Probe(what)


def rows(first, count, text="x"):
    return ", ".join(f"({n}, '{text}{n}', 0)" for n in range(first, first + count))


def start(project, m):
    m.up.append("CREATE TABLE ledger (what varchar(100), n integer);")
    m.up.append("CREATE TABLE t0 (a integer, b varchar(100), c integer DEFAULT 0);")
    m.up.append(f"INSERT INTO t0 (a, b, c) VALUES {rows(1, 20)};")
    m.down += ["DROP TABLE t0;", "DROP TABLE ledger;"]
    project.tables.append("t0")


def plain(make):
    make.is_plain = True
    return make


def lone(make):
    make.is_plain = False
    return make


# ---- on every engine ---------------------------------------------------------------------------------------------------


@plain
def table(project, m):
    name = f"t{m.version}"
    m.up.append(f"CREATE TABLE {name} (a integer, b varchar(100), c integer DEFAULT 0);")
    m.up.append(f"INSERT INTO {name} (a, b, c) VALUES {rows(1, 20)};")
    project.note(m)
    m.down.append(f"DROP TABLE {name};")
    project.note(m, is_down=True)
    if project.random.random() < 0.5 or len(project.tables) < 2:
        project.tables.append(name)


@plain
def column(project, m):
    name = project.table()
    m.up.append(f"ALTER TABLE {name} ADD COLUMN d{m.version} integer NOT NULL DEFAULT 1;")
    m.up.append(f"UPDATE {name} SET c = c + 1;")
    project.note(m)
    m.down.append(f"UPDATE {name} SET c = c - 1;")
    m.down.append(f"ALTER TABLE {name} DROP COLUMN d{m.version};")
    project.note(m, is_down=True)


@plain
def batch(project, m):
    count = project.random.choice([50, 100, 200])
    for n in range(count):
        m.up.append(f"INSERT INTO ledger VALUES ('{m.version} batch', {n});")
    m.down.append(f"DELETE FROM ledger WHERE what = '{m.version} batch' AND n > {count // 2};")
    project.note(m, is_down=True)


@plain
def bulk(project, m):
    """More than travels in one message."""
    filler = "z" * 1000
    m.up.append(f"CREATE TABLE bulk{m.version} (n integer, filler varchar(1100));")
    for n in range(700):
        m.up.append(f"INSERT INTO bulk{m.version} VALUES ({n}, '{filler}');")
    m.down.append(f"DROP TABLE bulk{m.version};")


@plain
def view(project, m):
    name = project.table()
    m.up.append(f"CREATE VIEW v{m.version} AS SELECT a, c FROM {name} WHERE a > 1;")
    project.note(m)
    m.down.append(f"DROP VIEW v{m.version};")


@plain
def index(project, m):
    m.up.append(f"CREATE INDEX i{m.version} ON {project.table()} (a, c);")
    project.note(m)
    name = m.up[0].split()[4]
    m.down.append(f"DROP INDEX i{m.version}{f' ON {name}' if project.engine == 'mariadb' else ''};")


@lone
def lone_data(project, m):
    m.head = "-- whimbrel: no-transaction\n"
    project.note(m, is_lone=True)
    m.up.append(f"CREATE TABLE n{m.version} (a integer);")
    project.note(m, is_lone=True)
    project.note(m, is_lone=True)
    project.note(m, is_down=True, is_lone=True)
    m.down.append(f"DROP TABLE n{m.version};")
    project.note(m, is_down=True, is_lone=True)


# ---- PostgreSQL ----------------------------------------------------------------------------------------------------------


@lone
def concurrently(project, m):
    name, guard = project.table(), project.random.choice(["", "IF NOT EXISTS "])
    project.note(m)
    m.up.append(f"CREATE INDEX CONCURRENTLY {guard}x{m.version} ON {name} (a, c);")
    project.note(m)
    m.up.append(f"REINDEX INDEX CONCURRENTLY x{m.version};")
    project.note(m)
    m.down.append(f"DROP INDEX CONCURRENTLY x{m.version};")
    project.note(m, is_down=True)


@lone
def enum(project, m):
    m.up.append(f"CREATE TYPE e{m.version} AS ENUM ('a');")
    m.up.append(f"ALTER TYPE e{m.version} ADD VALUE 'b' BEFORE 'a';")
    m.up.append(f"CREATE TABLE te{m.version} (v e{m.version});")
    m.up.append(f"INSERT INTO te{m.version} VALUES ('b'), ('a');")
    m.up.append(f"ALTER TYPE e{m.version} ADD VALUE IF NOT EXISTS 'c';")
    project.note(m)
    m.down.append(f"DROP TABLE te{m.version};")
    m.down.append(f"DROP TYPE e{m.version};")


@lone
def vacuum(project, m):
    project.note(m)
    m.up.append(f"VACUUM (ANALYZE) {project.table()};" if project.engine == "postgres" else "VACUUM;")
    project.note(m)
    project.note(m, is_down=True)


@plain
def copy(project, m):
    name = project.table()
    data = "".join(f"{n}\tcopy{m.version}-{n}\t0\n" for n in range(1000, 1300))
    m.up.append(f"COPY {name} (a, b, c) FROM stdin;\n{data}\\.")
    project.note(m)
    m.down.append(f"DELETE FROM {name} WHERE b LIKE 'copy{m.version}-%';")
    project.note(m, is_down=True)


@plain
def function(project, m):
    name = project.table()
    m.up.append(
        f"CREATE FUNCTION f{m.version}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n  NEW.c := NEW.c;\n  RETURN NEW;\n"
        "END;\n$$;"
    )
    m.up.append(f"CREATE TRIGGER g{m.version} BEFORE UPDATE ON {name} FOR EACH ROW EXECUTE FUNCTION f{m.version}();")
    m.up.append(
        "DO $$\nBEGIN\n  FOR i IN 1..3 LOOP\n    INSERT INTO ledger VALUES ("
        f"'{m.version} do', i);\n  END LOOP;\nEND $$;"
    )
    m.down.append(f"DROP TRIGGER g{m.version} ON {name};")
    m.down.append(f"DROP FUNCTION f{m.version}();")
    project.note(m, is_down=True)


@lone
def schema(project, m):
    """What comes after the lone statement relies on a setting of the session."""
    m.up.append(f"CREATE SCHEMA s{m.version};")
    m.up.append(f"SET search_path = s{m.version}, public;")
    m.up.append("CREATE TABLE inner_one (a integer, b integer);")
    m.up.append("VACUUM inner_one;")
    m.up.append("CREATE TABLE inner_two (a integer);")
    m.up.append("CREATE INDEX CONCURRENTLY inner_index ON inner_one (b);")
    project.note(m)
    m.down.append(f"DROP SCHEMA s{m.version} CASCADE;")


@lone
def partition(project, m):
    name = f"p{m.version}"
    m.up.append(f"CREATE TABLE {name} (a integer) PARTITION BY RANGE (a);")
    m.up.append(f"CREATE TABLE {name}_1 PARTITION OF {name} FOR VALUES FROM (0) TO (10);")
    m.up.append(f"CREATE TABLE {name}_2 PARTITION OF {name} FOR VALUES FROM (10) TO (20);")
    m.up.append(f"INSERT INTO {name} SELECT g FROM generate_series(0, 19) g;")
    m.up.append(f"ALTER TABLE {name} DETACH PARTITION {name}_2 CONCURRENTLY;")
    project.note(m)
    m.down.append(f"DROP TABLE {name}, {name}_2;")


# ---- MariaDB -------------------------------------------------------------------------------------------------------------


@lone
def many(project, m):
    name = project.table()
    v = m.version
    m.up.append(f"ALTER TABLE {name} ADD COLUMN d{v} INT, ADD COLUMN e{v} INT NOT NULL DEFAULT 2, ADD INDEX i{v} (d{v});")
    m.up.append(f"UPDATE {name} SET d{v} = c, c = c + 1;")
    m.up.append(f"CREATE INDEX j{v} ON {name} (e{v}, a);")
    project.note(m)
    m.up.append(f"ALTER TABLE {name} MODIFY d{v} BIGINT NOT NULL;")
    m.up.append(f"ALTER TABLE {name} RENAME COLUMN e{v} TO f{v};")
    project.note(m)
    m.up.append(f"CREATE TABLE r{v} (a INT) COMMENT 'before';")
    m.up.append(f"RENAME TABLE r{v} TO rr{v};")
    m.up.append(f"INSERT INTO rr{v} VALUES (1), (2);")
    m.up.append(f"ALTER TABLE rr{v} ALTER COLUMN a SET DEFAULT 5;")
    project.note(m)
    m.down.append(f"DROP TABLE rr{v};")
    m.down.append(f"UPDATE {name} SET c = c - 1;")
    m.down.append(f"DROP INDEX j{v} ON {name};")
    m.down.append(f"ALTER TABLE {name} DROP INDEX i{v}, DROP COLUMN d{v}, DROP COLUMN f{v};")
    project.note(m, is_down=True)


@lone
def procedure(project, m):
    v = m.version
    m.up.append(
        f"DELIMITER //\nCREATE PROCEDURE p{v}(IN k INT)\nBEGIN\n  INSERT INTO ledger VALUES ('{v} call', k);\n"
        f"  UPDATE t0 SET c = c + 1 WHERE a = k;\nEND//\nDELIMITER ;"
    )
    project.note(m)
    m.up.append(f"CREATE TRIGGER g{v} BEFORE UPDATE ON {project.table()} FOR EACH ROW SET NEW.b = CONCAT(NEW.b, '');")
    m.up.append(f"CREATE FUNCTION q{v}(k INT) RETURNS INT DETERMINISTIC RETURN k + 1;")
    project.note(m)
    m.down.append(f"DROP FUNCTION q{v};")
    m.down.append(f"DROP TRIGGER g{v};")
    m.down.append(f"DROP PROCEDURE p{v};")
    project.note(m, is_down=True)


@lone
def foreign_key(project, m):
    v = m.version
    m.up.append(f"CREATE TABLE parent{v} (id INT PRIMARY KEY);")
    m.up.append(f"CREATE TABLE child{v} (id INT PRIMARY KEY, parent INT);")
    m.up.append(f"INSERT INTO parent{v} VALUES (1), (2);")
    m.up.append(f"INSERT INTO child{v} VALUES (1, 1), (2, 1);")
    m.up.append(f"ALTER TABLE child{v} ADD CONSTRAINT fk{v} FOREIGN KEY (parent) REFERENCES parent{v} (id);")
    project.note(m)
    m.up.append("SET FOREIGN_KEY_CHECKS = 0;")
    m.up.append(f"ALTER TABLE parent{v} MODIFY id INT NOT NULL COMMENT 'key';")
    m.up.append("SET FOREIGN_KEY_CHECKS = 1;")
    project.note(m)
    m.down.append(f"ALTER TABLE child{v} DROP FOREIGN KEY fk{v};")
    m.down.append(f"DROP TABLE child{v}, parent{v};")


@lone
def truncate(project, m):
    v = m.version
    m.up.append(f"CREATE TABLE k{v} AS SELECT a, b FROM {project.table()};")
    project.note(m)
    m.up.append(f"TRUNCATE TABLE k{v};")
    m.up_probes[len(m.up)] = Probe(sql=f"SELECT count(*) = 0 FROM k{v}")
    m.up.append(f"INSERT INTO k{v} VALUES (1, 'after');")
    project.note(m)
    m.down.append(f"DROP TABLE k{v};")


# ---- SQLite --------------------------------------------------------------------------------------------------------------


@lone
def rebuild(project, m):
    v = m.version
    m.up.append(f"CREATE TABLE w{v} (id INTEGER PRIMARY KEY, a integer);")
    m.up.append(f"INSERT INTO w{v} VALUES (1, 1), (2, 2), (3, 3);")
    m.up.append(f"CREATE TABLE y{v} (w integer REFERENCES w{v} (id) ON DELETE CASCADE);")
    m.up.append(f"INSERT INTO y{v} VALUES (1), (2);")
    project.note(m)
    m.up.append("PRAGMA foreign_keys = OFF;")
    m.up.append(f"CREATE TABLE w{v}_new (id INTEGER PRIMARY KEY, a text NOT NULL, b text UNIQUE);")
    m.up.append(f"INSERT INTO w{v}_new (id, a) SELECT id, a FROM w{v};")
    m.up.append(f"DROP TABLE w{v};")
    m.up.append("PRAGMA legacy_alter_table = ON;")
    m.up.append(f"ALTER TABLE w{v}_new RENAME TO w{v};")
    m.up.append("PRAGMA legacy_alter_table = OFF;")
    m.up.append(f"CREATE INDEX wi{v} ON w{v} (a);")
    m.up.append("PRAGMA foreign_keys = ON;")
    project.note(m)
    m.down.append(f"DROP TABLE y{v};")
    m.down.append(f"DROP TABLE w{v};")


@plain
def trigger(project, m):
    v, name = m.version, project.table()
    m.up.append(
        f"CREATE TRIGGER g{v} AFTER INSERT ON {name} BEGIN\n  INSERT INTO ledger VALUES ('{v} trigger', NEW.a);\nEND;"
    )
    m.up.append(f"INSERT INTO {name} (a, b, c) VALUES ({v}, 'fires', 0);")
    m.up.append(f"DROP TRIGGER g{v};")
    m.down.append(f"DELETE FROM {name} WHERE b = 'fires' AND a = {v};")


COMMON = {"table": table, "column": column, "batch": batch, "bulk": bulk, "view": view, "index": index}
COMMON["lone_data"] = lone_data
RECIPES = {
    "postgres": {
        **COMMON, "concurrently": concurrently, "enum": enum, "vacuum": vacuum, "copy": copy, "function": function,
        "schema": schema, "partition": partition,
    },
    "mariadb": {
        **COMMON, "many": many, "procedure": procedure, "foreign_key": foreign_key, "truncate": truncate, "many_": many,
    },
    "sqlite": {**COMMON, "vacuum": vacuum, "rebuild": rebuild, "trigger": trigger},
}  # fmt: skip
