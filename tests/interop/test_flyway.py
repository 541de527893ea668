# SPDX-License-Identifier: Apache-2.0
"""Flyway's own command line (the free edition) and whimbrel, by turns. It cannot undo: what it applied is rolled back by whimbrel alone."""

import json
import shutil

import pytest
from layouts import Flyway
from servers import SqliteDatabase
from turns import Peer, Turns


class FlywayPeer(Peer):
    program = "flyway"
    layout = Flyway()
    # It asks for newer releases and counts its use over the network, and is called many times here.
    variables = {"REDGATE_DISABLE_TELEMETRY": "true", "JAVA_ARGS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}

    def __init__(self, project, db):
        super().__init__(project, db)
        self.has_lock = db.engine != "sqlite"

    def address(self):
        place = self.db.url.split("@")[-1]
        return {
            "sqlite": (f"jdbc:sqlite:{self.db.url.removeprefix('sqlite:')}", ""),
            "postgres": (f"jdbc:postgresql://{place}", "postgres"),
            "mariadb": (f"jdbc:mariadb://{place}", "root"),
        }[self.db.engine]

    def words(self, *words):
        url, user = self.address()
        return [f"-url={url}", f"-user={user}", "-password=", "-color=never", "-skipCheckForUpdate", *words]

    def up_words(self):
        return self.words("migrate")

    def do(self, *words):
        return self.ok(*self.words(*words))

    def fails(self, *words):
        code, out = self.call(*self.words(*words))
        assert code != 0, out
        return out

    def states(self, *words):
        """What `info` says of each row or file: (version or description, state)."""
        found = json.loads(self.do("-outputType=json", *words, "info"))
        return [(row["version"] or row["description"], row["state"]) for row in found["migrations"]]

    def is_content_with(self, n):
        # Both in one call: most of its time goes into starting.
        found = json.loads(self.do("-outputType=json", "-ignoreMigrationPatterns=*:pending,*:future", "validate", "info"))
        validated, info = found["individualResults"]
        assert validated["validationSuccessful"], validated
        states = [row["state"] for row in info["migrations"] if row["category"] == "Versioned"]
        return states == ["Success"] * n + ["Pending"] * (len(states) - n)


class TestTurns(Turns):
    peer_class = FlywayPeer

    def test_each_rolls_back_what_the_other_applied(self, peer):
        self.write(peer, 1, 3)
        peer.ok(*peer.up_words())
        self.ours(peer, "rollback")
        self.check(peer, 2)
        peer.ok(*peer.up_words())
        self.check(peer, 3)

    def test_a_failure_of_either_is_mended_by_the_other(self, peer):
        if peer.db.engine != "mariadb":
            super().test_a_failure_of_either_is_mended_by_the_other(peer)
            return
        # Flyway leaves a row after every failure here.
        self.write(peer, 1, 2)
        peer.ok(*peer.up_words())
        self.write(peer, 3, 3)
        peer.db.sql("CREATE TABLE t3 (id int)")
        assert peer.call(*peer.up_words())[0] != 0
        peer.db.sql("DROP TABLE t3")
        document = self.ours(peer, "status", "--output", "json").json
        assert [row["state"] for row in document["migrations"]] == ["applied", "applied", "failed"]
        self.ours(peer, "repair", "--yes")
        self.ours(peer, "migrate")
        self.check(peer, 3)
        # The other way: the second statement of ours fails.
        self.write(peer, 4, 4)
        peer.project.write("migrations/V4__make_t4.sql", peer.layout.up(4) + "INSERT INTO nothing VALUES (1);\n")
        assert peer.project("migrate", "-d", peer.db.url, *peer.layout.arguments()).code != 0
        assert "contains a failed migration" in peer.call(*peer.up_words())[1] + peer.call(*peer.words("validate"))[1] or (
            "Failed" in peer.ok(*peer.words("info"))
        )
        peer.ok(*peer.words("repair"))
        peer.db.sql("DROP TABLE t4")
        self.write(peer, 4, 4)
        peer.ok(*peer.up_words())
        self.check(peer, 4)


# ---- one folder, one database, both tools --------------------------------------------------------------------------

COLUMNS = (
    "installed_rank, version, description, type, script, checksum, installed_by, CASE WHEN success THEN 1 ELSE 0 END"
)


class Both:
    """A project of Flyway's, and both tools on its database."""

    def __init__(self, program, db):
        self.program, self.db = program, db
        self.flyway = FlywayPeer(program, db)
        if db.engine == "sqlite":
            db.sql("PRAGMA user_version = 0")
        self.configure()

    def configure(self, more="", rest=""):
        self.program.write("flyway.toml", f'[flyway]\nlocations = ["filesystem:sql"]\n{more}\n{rest}')

    def write(self, **files):
        """V1="..." is sql/V1__V1.sql; what holds two underscores is the name as it is."""
        for name, text in files.items():
            self.program.write(f"sql/{name if '__' in name else f'{name}__{name}'}.sql", text)

    def tables(self, *numbers):
        for n in numbers:
            self.write(**{f"V{n}": f"CREATE TABLE t{n} (id int);\n", f"U{n}": f"DROP TABLE t{n};\n"})

    def remove(self, name):
        (self.program.cwd / "sql" / f"{name}__{name}.sql").unlink()

    def ours(self, *words):
        return self.program.ok(*words, "-d", self.db.url, "--convention", "flyway")

    def ours_fails(self, *words):
        result = self.program(*words, "-d", self.db.url, "--convention", "flyway")
        assert result.code != 0, result
        return result.err

    def our_states(self):
        found = self.ours("status", "--output", "json").json["migrations"]
        return [(row["version"] or row["name"], row["state"]) for row in found]

    def rows(self, columns=COLUMNS):
        return self.db.sql(f"SELECT {columns} FROM flyway_schema_history ORDER BY installed_rank")

    def both_content(self):
        self.flyway.do("validate")
        self.ours("validate")


@pytest.fixture
def both(whimbrel, db):
    return Both(whimbrel, db)


@pytest.fixture
def other(whimbrel, db, tmp_path):
    """A second database, to compare what each makes of the same files."""
    if db.engine == "sqlite":
        yield Both(whimbrel, SqliteDatabase(tmp_path / "other.db"))
        return
    made = db.server.create_database()
    yield Both(whimbrel, made)
    db.server.drop_database(made)


def test_both_write_the_same_rows(both, other):
    both.configure('createSchemas = false', '[flyway.placeholders]\nv = "1"')
    both.write(
        V1_1__a__b_c="CREATE TABLE a (id int);\r\n",
        V003__zeros="\ufeffCREATE TABLE b (id int);",
        V10="-- only a comment\n",
        R__view="DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT ${v} AS x;\n",
        R__another="DROP VIEW IF EXISTS w;\nCREATE VIEW w AS SELECT 1 AS x;\n",
    )
    both.program.write("sql/deep/er/V4__sub.SQL", "CREATE TABLE c (id int);\n")
    both.program.write(f"sql/V5__{'long_' * 45}.sql", "CREATE TABLE d (id int);\n")
    both.flyway.do("migrate")
    other.ours("migrate")
    assert both.rows() == other.rows()
    both.ours("validate")
    other.flyway.do("validate")
    assert both.flyway.states() == other.flyway.states()


def test_repeatables_are_one_to_both(both):
    both.configure("", '[flyway.placeholders]\nx = "1"')
    view = "DROP VIEW IF EXISTS {0};\nCREATE VIEW {0} AS SELECT {1} AS x; -- ${{flyway:table}} ${{flyway:defaultSchema}}\n"
    both.write(V1="CREATE TABLE a (id int);\n", R__v=view.format("v", "${x}"), R__w=view.format("w", 1))
    both.flyway.do("migrate")
    assert both.our_states() == [("1", "applied"), ("v", "applied"), ("w", "applied")]
    assert "up to date" in both.ours("migrate").out + both.ours("status").out
    # Text and value change: one is run by each.
    both.write(R__w=view.format("w", 2))
    assert ("w", "outdated") in both.our_states()
    assert ("w", "Outdated") in both.flyway.states() and ("w", "Pending") in both.flyway.states()
    both.ours("migrate")
    both.configure("", '[flyway.placeholders]\nx = "2"')
    assert ("v", "outdated") in both.our_states()
    assert both.flyway.states()[-1] == ("v", "Pending")
    both.flyway.do("migrate")
    assert both.db.value("SELECT x FROM v") == "2"
    assert both.our_states() == [("1", "applied"), ("v", "applied"), ("w", "applied")]
    assert [state for state in both.flyway.states() if state[1] == "Superseded"] == [("v", "Superseded"), ("w", "Superseded")]
    both.both_content()


def test_baselines_both_ways(both, other):
    both.db.sql("CREATE TABLE old (id int)")
    other.db.sql("CREATE TABLE old (id int)")
    both.tables(1, 2, 3, 4)
    both.flyway.do("-baselineVersion=2", "baseline")
    other.ours("baseline", "2")
    assert both.rows() == other.rows()
    for one in (both, other):
        states = one.flyway.states()
        assert states[0] == ("1", "Below Baseline") and ("2", "Baseline") in states and states[-1] == ("4", "Pending")
        assert one.our_states() == [("1", "skipped"), ("2", "baselined"), ("3", "pending"), ("4", "pending")]
    both.ours("migrate", "--to", "3")
    other.flyway.do("-target=3", "migrate")
    assert both.rows() == other.rows()
    both.flyway.do("migrate")
    other.ours("migrate")
    assert both.rows() == other.rows()
    both.both_content()
    other.both_content()


def test_a_baseline_is_made_on_the_way_by_both(both, other):
    both.configure('baselineOnMigrate = true\nbaselineVersion = "2"\nbaselineDescription = "from before"')
    both.db.sql("CREATE TABLE old (id int)")
    other.db.sql("CREATE TABLE old (id int)")
    both.tables(1, 2, 3)
    both.flyway.do("migrate")
    other.ours("migrate")
    assert both.rows() == other.rows()
    assert both.our_states() == other.our_states() == [("1", "skipped"), ("2", "baselined"), ("3", "applied")]


def test_a_baseline_file_serves_new_databases_of_both(both, other):
    both.tables(1, 3)
    both.write(B2="CREATE TABLE t1 (id int);\nCREATE TABLE t2 (id int);\n")
    both.flyway.do("migrate")
    other.ours("migrate")
    assert both.rows() == other.rows()
    both.both_content()
    other.both_content()
    both.tables(4)
    both.ours("migrate")
    other.flyway.do("migrate")
    assert both.rows() == other.rows()


def test_what_is_older_than_the_newest(both):
    both.tables(1, 3, 5)
    both.flyway.do("migrate")
    both.tables(2)
    assert ("2", "Ignored") in both.flyway.states()
    assert ("2", "out-of-order") in both.our_states()
    both.flyway.fails("validate")
    both.ours_fails("migrate")
    both.ours("migrate", "--out-of-order")
    assert ("2", "Out of Order") in both.flyway.states()
    both.tables(4)
    both.configure("outOfOrder = true")
    both.flyway.do("migrate")
    assert both.our_states() == [(str(n), "applied") for n in (1, 2, 3, 4, 5)]
    both.both_content()
    # Said in the configuration, it holds for both.
    both.write(V0="CREATE TABLE t0 (id int);\n")
    both.ours("migrate")
    assert ("0", "Out of Order") in both.flyway.states()
    both.both_content()


@pytest.mark.parametrize("mender", ["flyway", "whimbrel"])
def test_missing_future_and_deleted(both, mender):
    both.tables(1, 2, 3, 4)
    both.flyway.do("migrate")
    both.remove("V4")
    assert ("4", "Future") in both.flyway.states()
    both.both_content()
    both.remove("V2")
    assert ("2", "Missing") in both.flyway.states()
    assert ("2", "missing") in both.our_states()
    both.flyway.fails("validate")
    both.ours_fails("validate")
    if mender == "flyway":
        both.flyway.do("repair")
    else:
        both.ours("repair", "--yes")
    assert [tuple(row) for row in both.rows("version, type")][4:] == [("2", "DELETE")]
    assert ("2", "Deleted") in both.flyway.states()
    assert ("2", "skipped") in both.our_states()
    both.both_content()
    # It comes back: a new migration, older than the newest.
    both.db.sql("DROP TABLE t2")
    both.tables(2)
    assert both.flyway.states()[-1] == ("2", "Ignored") or ("2", "Ignored") in both.flyway.states()
    assert ("2", "out-of-order") in both.our_states()
    if mender == "flyway":
        both.ours("migrate", "--out-of-order")
    else:
        both.flyway.do("-outOfOrder=true", "migrate")
    assert both.our_states()[:3] == [("1", "applied"), ("2", "applied"), ("3", "applied")]
    both.both_content()


def test_a_changed_file_is_repaired_by_each(both):
    both.tables(1, 2)
    both.flyway.do("migrate")
    both.write(V2="CREATE TABLE t2 (id int); -- changed\n")
    assert "checksum mismatch" in both.flyway.fails("validate")
    both.ours_fails("validate")
    both.ours("repair", "--yes")
    both.both_content()
    both.write(V1="CREATE TABLE t1 (id int); -- changed\n")
    both.ours_fails("migrate")
    both.flyway.do("repair")
    both.both_content()


# ---- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fails", ["flyway", "whimbrel"])
def test_a_file_without_transaction_that_fails(both, fails):
    """On PostgreSQL Flyway keeps the row only with its lock in a session: with the default one it is lost."""
    both.configure("", "[flyway.postgresql.transactional]\nlock = false")
    both.tables(1)
    both.flyway.do("migrate")
    both.write(V2="CREATE TABLE t2 (id int);\nINSERT INTO nothing VALUES (1);\n")
    both.program.write("sql/V2__V2.sql.conf", "executeInTransaction=false\n")
    if fails == "flyway":
        both.flyway.fails("migrate")
    else:
        both.ours_fails("migrate")
    assert both.flyway.states()[-1] == ("2", "Failed")
    assert both.our_states()[-1] == ("2", "failed")
    both.ours_fails("migrate")
    both.flyway.fails("migrate")
    both.db.sql("DROP TABLE t2")
    both.tables(2)
    if fails == "flyway":
        both.ours("repair", "--yes")
    else:
        both.flyway.do("repair")
    assert both.flyway.states()[-1] == ("2", "Pending")
    assert both.our_states()[-1] == ("2", "pending")
    both.ours("migrate")
    both.both_content()


# ---- undo -----------------------------------------------------------------------------------------------------------


def test_the_open_edition_goes_on_after_our_undo(both):
    both.tables(1, 2, 3)
    both.flyway.do("migrate")
    assert "Required" in both.flyway.fails("undo")
    both.ours("rollback", "--to", "1")
    assert both.flyway.states() == [("1", "Success"), ("2", "Pending"), ("3", "Pending")]
    both.flyway.do("migrate")
    assert [row[0] for row in both.rows()] == ["1", "2", "3"]
    both.both_content()


def test_the_open_edition_stops_at_the_paid_ones_row(both):
    """Why a rollback appends no such row unless the paid edition is in use."""
    both.tables(1, 2)
    both.flyway.do("migrate")
    both.configure('licenseKey = "FL01"')
    both.ours("rollback")
    assert [tuple(row) for row in both.rows("installed_rank, version, description, type, script")][2:] == [
        ("3", "2", "U2", "UNDO_SQL", "U2__U2.sql")
    ]
    both.configure()
    assert "UNDO_SQL" in both.flyway.fails("info")
    assert both.our_states() == [("1", "applied"), ("2", "pending")]


# ---- what stands in files ---------------------------------------------------------------------------------------------


def test_placeholders_have_the_same_values(both, other):
    names = ["defaultSchema", "user", "filename", "workingDirectory", "table", "environment"]
    if both.db.engine != "sqlite":
        names.append("database")
    both.configure('placeholderPrefix = "<<"\nplaceholderSuffix = ">>"', '[flyway.placeholders]\nOwn = "a\'\'b"')
    both.write(V1="CREATE TABLE t (v varchar(200));\n" + "".join(
        f"INSERT INTO t VALUES ('{name} <<flyway:{name}>>'); -- <<OWN>>\n" for name in names) + "INSERT INTO t VALUES ('<<own>> ${own}');\n")
    both.write(V2="INSERT INTO t VALUES ('<<own>>');\n")
    both.program.write("sql/V2__V2.sql.conf", "placeholderReplacement=false\n")
    both.flyway.do("migrate")
    other.ours("migrate")
    theirs, ours = (one.db.sql("SELECT v FROM t ORDER BY v") for one in (both, other))
    if both.db.engine != "sqlite":  # two databases have two names
        theirs = [tuple(field.replace(both.db.name, other.db.name) for field in row) for row in theirs]
    assert theirs == ours
    assert both.rows("version, checksum") == other.rows("version, checksum")


def test_callbacks_run_in_the_same_order(both, other):
    events = ["beforeMigrate", "beforeEachMigrate", "beforeEachMigrate__b", "afterEachMigrate", "afterMigrate", "afterMigrateApplied"]
    key = {"sqlite": "integer PRIMARY KEY", "postgres": "serial PRIMARY KEY", "mariadb": "int AUTO_INCREMENT PRIMARY KEY"}[both.db.engine]
    for one in (both, other):
        one.db.sql(f"CREATE TABLE log (n {key}, what varchar(50))")
    both.configure("baselineOnMigrate = true\nbaselineVersion = 0")
    for event in events:
        both.program.write(f"sql/{event}.sql", f"INSERT INTO log (what) VALUES ('{event}');\n")
    for n in (1, 2):
        both.write(**{f"V{n}": f"INSERT INTO log (what) VALUES ('V{n}');\n"})
    both.flyway.do("migrate")
    other.ours("migrate")
    theirs, ours = ([row[0] for row in one.db.sql("SELECT what FROM log ORDER BY n")] for one in (both, other))
    assert theirs == ours


def test_a_script_that_is_switched_off(whimbrel, sqlite):
    """The open edition asks for the paid one here; without the setting it finds the migration older than the newest."""
    both = Both(whimbrel, sqlite)
    both.tables(1, 2, 3)
    both.program.write("sql/V2__V2.sql.conf", "shouldExecute=false\n")
    assert "shouldExecute" in both.flyway.fails("migrate")
    both.ours("migrate")
    assert both.our_states() == [("1", "applied"), ("2", "skipped"), ("3", "applied")]
    both.program.write("sql/V2__V2.sql.conf", "")
    assert ("2", "Ignored") in both.flyway.states()
    assert ("2", "out-of-order") in both.our_states()


def test_several_locations(both, other):
    both.program.write("flyway.toml", '[flyway]\nlocations = ["filesystem:sql", "filesystem:more/files", "filesystem:sql/deep"]\n')
    both.tables(1)
    both.program.write("sql/deep/V2__deep.sql", "CREATE TABLE t2 (id int);\n")
    both.program.write("more/files/V3__more.sql", "CREATE TABLE t3 (id int);\n")
    both.program.write("more/files/sub/V4__sub.sql", "CREATE TABLE t4 (id int);\n")
    both.flyway.do("migrate")
    other.ours("migrate")
    assert both.rows() == other.rows()
    both.both_content()


# ---- configuration files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["toml", "conf"])
def test_both_read_one_configuration(whimbrel, db, kind):
    both = Both(whimbrel, db)
    url, user = both.flyway.address()
    (whimbrel.cwd / "flyway.toml").unlink()
    if kind == "toml":
        whimbrel.write("flyway.toml", f"""
[flyway]
environment = "second"
locations = ["filesystem:sql"]
table = "Applied"
installedBy = "somebody"
sqlMigrationPrefix = "Step"
sqlMigrationSeparator = "-"
sqlMigrationSuffixes = [".ddl", ".sql"]
[flyway.placeholders]
name = "t"
[environments.first]
url = "jdbc:nothing:x"
[environments.second]
url = "{url}"
user = "{user}"
password = ""
""")
    else:
        whimbrel.write("flyway.conf", f"""
# which database
flyway.url={url}
flyway.user={user}
flyway.password=
flyway.locations=filesystem:sql
flyway.table=Applied
flyway.installedBy=somebody
flyway.sqlMigrationPrefix=Step
flyway.sqlMigrationSeparator=-
flyway.sqlMigrationSuffixes=.ddl,.sql
flyway.placeholders.name=t
""")
    call = ["-color=never", "-skipCheckForUpdate"]
    quote = "`" if db.engine == "mariadb" else '"'

    def rows():
        return [tuple(row) for row in db.sql(
            f"SELECT version, script, installed_by FROM {quote}Applied{quote} ORDER BY installed_rank")]

    whimbrel.write("sql/Step1-a.ddl", "CREATE TABLE ${name}1 (id int);\n")
    both.flyway.ok(*call, "migrate")
    whimbrel.write("sql/Step2-b.sql", "CREATE TABLE ${name}2 (id int);\n")
    whimbrel.ok("migrate")
    whimbrel.write("sql/Step3-c.ddl", "CREATE TABLE ${name}3 (id int);\n")
    both.flyway.ok(*call, "migrate", "validate")
    whimbrel.ok("validate")
    assert rows() == [("1", "Step1-a.ddl", "somebody"), ("2", "Step2-b.sql", "somebody"), ("3", "Step3-c.ddl", "somebody")]
    for n in (1, 2, 3):
        assert db.value(f"SELECT count(*) FROM t{n}") == "0"


def test_a_target_of_the_configuration_holds_for_both(both, other):
    both.configure('target = "2"')
    both.tables(1, 2, 3)
    both.flyway.do("migrate")
    other.ours("migrate")
    assert both.rows() == other.rows()
    assert len(both.rows()) == 2
    both.ours("migrate", "--to", "3")
    assert both.our_states()[-1] == ("3", "applied")


@pytest.mark.parametrize("begins", ["flyway", "whimbrel"])
def test_schemas_of_the_configuration(whimbrel, pg, begins):
    both = Both(whimbrel, pg)
    url, user = both.flyway.address()
    whimbrel.write("flyway.toml", f"""
[flyway]
locations = ["filesystem:sql"]
defaultSchema = "Main one"
[environments.default]
url = "{url}"
user = "{user}"
password = ""
schemas = ["Main one", "second"]
""")
    whimbrel.write("sql/V1__a.sql", "CREATE TABLE a (s text);\nINSERT INTO a VALUES ('${flyway:defaultSchema}');\n")
    calls = [lambda: both.flyway.ok("-color=never", "-skipCheckForUpdate", "migrate"), lambda: whimbrel.ok("migrate")]
    if begins == "whimbrel":
        calls.reverse()
    calls[0]()
    whimbrel.write("sql/V2__b.sql", "CREATE TABLE second.b (id int);\nCREATE TABLE c (id int);\n")
    calls[1]()
    whimbrel.write("sql/V3__c.sql", "CREATE TABLE d (id int);\n")
    calls[0]()
    both.flyway.ok("-color=never", "-skipCheckForUpdate", "validate")
    whimbrel.ok("validate")
    assert pg.value('SELECT s FROM "Main one".a') == "Main one"
    assert [tuple(row) for row in pg.sql(
        'SELECT version FROM "Main one".flyway_schema_history WHERE version IS NOT NULL ORDER BY installed_rank'
    )] == [("1",), ("2",), ("3",)]
    assert pg.sql("SELECT schemaname, tablename FROM pg_tables WHERE tablename IN ('b', 'c', 'd') ORDER BY 2") == [
        ("second", "b"), ("Main one", "c"), ("Main one", "d")]


def test_an_index_is_built_beside_by_us_after_flyway_and_before_it(whimbrel, pg):
    """Flyway's lock in a transaction would wait for itself; in a session it does not."""
    both = Both(whimbrel, pg)
    both.configure("", "[flyway.postgresql.transactional]\nlock = false")
    both.tables(1)
    both.flyway.do("migrate")
    both.write(V2="CREATE INDEX CONCURRENTLY i ON t1 (id);\n")
    both.ours("migrate")
    both.write(V3="DROP INDEX CONCURRENTLY i;\n")
    both.flyway.do("migrate")
    both.both_content()
    assert [tuple(row)[1:4] for row in both.rows()][1:] == [("2", "V2", "SQL"), ("3", "V3", "SQL")]


@pytest.mark.parametrize("begins", ["flyway", "whimbrel"])
def test_the_tables_are_the_same(whimbrel, pg, begins):
    peer = FlywayPeer(whimbrel, pg)
    whimbrel.write("flyway.toml", '[flyway]\nlocations = ["filesystem:sql"]\n')
    whimbrel.write("sql/V1__a.sql", "CREATE TABLE a (id int);\n")
    if begins == "flyway":
        peer.ok(*peer.up_words())
    else:
        whimbrel.ok("migrate", "-d", pg.url)
    assert pg.sql("SELECT indexname FROM pg_indexes WHERE tablename = 'flyway_schema_history' ORDER BY 1") == [
        ("flyway_schema_history_pk",), ("flyway_schema_history_s_idx",),
    ]
    assert pg.value("SELECT string_agg(column_name || ' ' || data_type || coalesce(character_maximum_length::text, '') || is_nullable "
                    "|| coalesce(column_default, ''), ',' ORDER BY ordinal_position) FROM information_schema.columns "
                    "WHERE table_name = 'flyway_schema_history'").startswith("installed_rank integerNO,version character varying50YES")


def test_schemas_are_made_and_marked_alike(whimbrel, pg):
    made = []
    for who in ("flyway", "whimbrel"):
        shutil.rmtree(whimbrel.cwd / "sql", ignore_errors=True)
        database = pg.server.create_database()
        both = Both(whimbrel, database)
        joint = "&" if "?" in database.url else "?"
        (whimbrel.cwd / "flyway.toml").unlink()
        whimbrel.write("flyway.conf", "flyway.locations=filesystem:sql\nflyway.schemas=app,public,odd one\n")
        both.write(V1="CREATE TABLE a (id int);\n")
        url = f"{database.url}{joint}search_path=app"

        def ours(*words):
            return whimbrel.ok(*words, "-d", url)

        def step(turn):
            both.flyway.do("migrate") if turn == "flyway" else ours("migrate")

        step(who)
        ours("validate")
        both.flyway.do("validate")
        whimbrel.write("flyway.conf", "flyway.locations=filesystem:sql\nflyway.schemas=app,third\n")
        both.write(V2="CREATE TABLE b (id int);\n")
        step(who)
        step("whimbrel" if who == "flyway" else "flyway")
        both.write(V3="CREATE TABLE c (id int);\n")
        step("whimbrel" if who == "flyway" else "flyway")
        made.append(database.sql("SELECT installed_rank, version, description, type, script, checksum FROM "
                                 "app.flyway_schema_history ORDER BY 1"))
        pg.server.drop_database(database)
    assert made[0] == made[1]
    assert [row[3] for row in made[0]] == ["SCHEMA", "SQL", "SCHEMA", "SQL", "SQL"]
