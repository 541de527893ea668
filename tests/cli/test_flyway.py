# SPDX-License-Identifier: Apache-2.0
"""What is Flyway's own: checksums, names, placeholders, states, repair, callbacks, configuration."""

import pytest

COLUMNS = "installed_rank, version, description, type, script, checksum, installed_by, execution_time, success"


def toml(program, more="", top=""):
    program.write("flyway.toml", f'{top}[flyway]\nlocations = ["filesystem:sql"]\n{more}')


def status(program, db, *more):
    return program.ok("status", "-d", db.url, "--output", "json", *more).json


def states(program, db):
    return [(row["version"] or row["name"], row["state"]) for row in status(program, db)["migrations"]]


def rows(db, columns="version, type, script"):
    return [tuple(str(field) for field in row) for row in db.sql(
        f"SELECT {columns} FROM flyway_schema_history ORDER BY installed_rank")]


def insert(db, rank, version, name, kind="SQL", checksum="NULL", success="TRUE"):
    version = f"'{version}'" if version else "NULL"
    db.sql(
        f"INSERT INTO flyway_schema_history ({COLUMNS}) VALUES "
        f"({rank}, {version}, '{name}', '{kind}', 'x', {checksum}, 'u', 1, {success})"
    )


VECTORS = [
    ("CREATE TABLE t (id INT);\nINSERT INTO t VALUES (1);\n", "194980085"),
    ("CREATE TABLE a (id int);\nINSERT INTO a VALUES (1);\n", "-279898995"),
    ("CREATE TABLE b (id int);\r\nINSERT INTO b VALUES (1);\r\n", "914031549"),
    ("\ufeffCREATE TABLE c (id int);\n", "-2102380136"),
    ("select 1;\n", "-690524359"),
]


def test_checksums_are_those_of_flyway(whimbrel, sqlite):
    toml(whimbrel)
    for n, (text, _) in enumerate(VECTORS, 1):
        whimbrel.write(f"sql/V{n}__x.sql", text)
    whimbrel.ok("migrate", "-d", sqlite.url)
    assert rows(sqlite, "checksum") == [(value,) for _, value in VECTORS]


def test_names_are_read_as_flyway_reads_them(whimbrel, sqlite):
    toml(whimbrel)
    for name in ["V1_1__a__b_c.sql", "V003__zeros.SQL", "deep/er/V4__sub.sql", "V1a__no.sql", "v5__no.sql", "V10.sql", "R.sql"]:
        whimbrel.write(f"sql/{name}", f"CREATE TABLE \"{name}\" (id int);\n")
    whimbrel.ok("migrate", "-d", sqlite.url)
    assert rows(sqlite, "version, description, script") == [
        ("1.1", "a  b c", "V1_1__a__b_c.sql"),
        ("003", "zeros", "V003__zeros.SQL"),
        ("4", "sub", "deep/er/V4__sub.sql"),
        ("10", "", "V10.sql"),
    ]


def test_two_of_one_version_are_refused(whimbrel, sqlite):
    toml(whimbrel)
    whimbrel.write("sql/V1__a.sql", "SELECT 1;")
    whimbrel.write("sql/V01.0__b.sql", "SELECT 1;")
    result = whimbrel("status", "-d", sqlite.url)
    assert result.code != 0 and "V1__a.sql" in result.err and "V01.0__b.sql" in result.err


def test_placeholders_are_replaced_everywhere(whimbrel, db):
    toml(whimbrel, "[flyway.placeholders]\nName = \"x'y\"\n")
    whimbrel.write("sql/V1__a.sql", "CREATE TABLE t (v varchar(50)); -- ${NAME}\nINSERT INTO t VALUES ('${flyway:table} ${flyway:filename}');\n")
    whimbrel.write("sql/V2__b.sql", "SELECT '${raw}';\n")
    whimbrel.write("sql/V2__b.sql.conf", "placeholderReplacement=false\n")
    whimbrel.ok("migrate", "-d", db.url)
    assert db.value("SELECT v FROM t") == "flyway_schema_history V1__a.sql"
    whimbrel.write("sql/V3__c.sql", "-- ${nobody}\nSELECT 1;\n")
    result = whimbrel("migrate", "-d", db.url)
    assert result.code != 0 and "${nobody}" in result.err and "V3__c.sql" in result.err


def test_a_repeatable_runs_again_when_a_value_changes(whimbrel, sqlite):
    toml(whimbrel, '[flyway.placeholders]\nv = "1"\n')
    whimbrel.write("sql/R__view.sql", "DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT ${v} AS x;\n")
    whimbrel.ok("migrate", "-d", sqlite.url)
    toml(whimbrel, '[flyway.placeholders]\nv = "2"\n')
    assert states(whimbrel, sqlite) == [("view", "outdated")]
    whimbrel.ok("migrate", "-d", sqlite.url)
    assert sqlite.value("SELECT x FROM v") == "2"
    assert rows(sqlite, "description, type") == [("view", "SQL")] * 2


def test_states_of_rows(whimbrel, db):
    toml(whimbrel)
    for n in (1, 2, 3, 5):
        whimbrel.write(f"sql/V{n}__m{n}.sql", f"CREATE TABLE t{n} (id int);\n")
    whimbrel.ok("migrate", "--to", "1", "-d", db.url)
    insert(db, 2, "3", "m3", "UNDO_SQL")
    insert(db, 3, "4", "gone")
    insert(db, 4, "9", "future")
    insert(db, 5, "2", "m2", success="FALSE")
    assert states(whimbrel, db) == [
        ("1", "applied"), ("2", "failed"), ("3", "out-of-order"), ("4", "missing"), ("5", "out-of-order"), ("9", "missing"),
    ]
    whimbrel.ok("repair", "--yes", "-d", db.url)
    assert [row[:2] for row in rows(db)] == [("1", "SQL"), ("3", "UNDO_SQL"), ("4", "SQL"), ("9", "SQL"), ("4", "DELETE")]
    assert states(whimbrel, db)[3] == ("4", "skipped")
    whimbrel.ok("migrate", "--out-of-order", "-d", db.url)
    assert status(whimbrel, db)["state"] == "up-to-date"


def test_a_changed_file_is_repaired(whimbrel, db):
    toml(whimbrel)
    whimbrel.write("sql/V1__a.sql", "CREATE TABLE t (id int);\n")
    whimbrel.ok("migrate", "-d", db.url)
    whimbrel.write("sql/V1__a.sql", "select 1;\n")
    assert states(whimbrel, db) == [("1", "changed")]
    whimbrel.ok("repair", "--yes", "-d", db.url)
    assert rows(db, "checksum") == [("-690524359",)]


def test_unknown_types_are_refused(whimbrel, sqlite):
    toml(whimbrel)
    whimbrel.write("sql/V1__a.sql", "CREATE TABLE t (id int);\n")
    whimbrel.ok("migrate", "-d", sqlite.url)
    insert(sqlite, 2, "2", "b", "QUANTUM")
    result = whimbrel("status", "-d", sqlite.url)
    assert result.code != 0 and "QUANTUM" in result.err


def test_baselines(whimbrel, db):
    toml(whimbrel, 'baselineOnMigrate = true\nbaselineVersion = "2"\n')
    for n in (1, 2, 3):
        whimbrel.write(f"sql/V{n}__m{n}.sql", f"CREATE TABLE t{n} (id int);\n")
    db.sql("CREATE TABLE old (id int)")
    whimbrel.ok("migrate", "-d", db.url)
    assert rows(db, "installed_rank, version, description, type") == [
        ("1", "2", "<< Flyway Baseline >>", "BASELINE"), ("2", "3", "m3", "SQL"),
    ]
    assert states(whimbrel, db) == [("1", "skipped"), ("2", "baselined"), ("3", "applied")]


def test_a_baseline_file_is_for_new_databases(whimbrel, db):
    toml(whimbrel)
    whimbrel.write("sql/V1__m1.sql", "CREATE TABLE t1 (id int);\n")
    whimbrel.write("sql/V3__m3.sql", "CREATE TABLE t3 (id int);\n")
    whimbrel.write("sql/B2__all.sql", "CREATE TABLE t1 (id int);\n")
    whimbrel.ok("migrate", "-d", db.url)
    assert rows(db, "version, type") == [("2", "SQL_BASELINE"), ("3", "SQL")]
    assert status(whimbrel, db)["state"] == "up-to-date"


def test_callbacks(whimbrel, sqlite):
    toml(whimbrel)
    whimbrel.write("sql/beforeMigrate.sql", "CREATE TABLE log (what text);\n")
    whimbrel.write("sql/afterEachMigrate__b.sql", "INSERT INTO log VALUES ('b');\n")
    whimbrel.write("sql/afterEachMigrate__a.sql", "INSERT INTO log VALUES ('a');\n")
    whimbrel.write("sql/beforeValidate.sql", "SELECT 1;\n")
    whimbrel.write("sql/V1__a.sql", "CREATE TABLE t (id int);\n")
    for name in ("afterMigrate", "afterMigrateApplied"):
        whimbrel.write(f"sql/{name}.sql", f"INSERT INTO log VALUES ('{name}');\n")
    result = whimbrel.ok("migrate", "-d", sqlite.url)
    assert "beforeValidate.sql" in result.err
    assert [row[0] for row in sqlite.sql("SELECT what FROM log")] == ["a", "b", "afterMigrateApplied", "afterMigrate"]


def test_a_script_that_is_switched_off(whimbrel, sqlite):
    toml(whimbrel)
    whimbrel.write("sql/V1__a.sql", "CREATE TABLE t (id int);\n")
    whimbrel.write("sql/V2__b.sql", "no sql;\n")
    whimbrel.write("sql/V2__b.sql.conf", "shouldExecute=${flyway:environment}==production\n")
    whimbrel.ok("migrate", "-d", sqlite.url)
    assert states(whimbrel, sqlite) == [("1", "applied"), ("2", "skipped")]
    whimbrel.write("sql/V2__b.sql.conf", "colour=blue\n")
    assert "colour" in whimbrel("status", "-d", sqlite.url).err


def test_java_has_its_place_and_is_not_run(whimbrel, sqlite):
    toml(whimbrel)
    whimbrel.write("sql/V1__a.java", "class V1__a {}\n")
    result = whimbrel("migrate", "-d", sqlite.url)
    assert result.code != 0 and "host language" in result.err


UNDO_COLUMNS = "installed_rank, version, description, type, script, CASE WHEN success THEN 1 ELSE 0 END"


@pytest.mark.parametrize("sign", ["licence", "edition", "row"])
def test_the_paid_editions_row_is_written_where_that_is_in_use(whimbrel, db, sign):
    more = {"licence": 'licenseKey = "FL"\n', "edition": 'edition = "teams"\n', "row": ""}[sign]
    toml(whimbrel, more)
    for n in (1, 2):
        whimbrel.write(f"sql/V{n}__m{n}.sql", f"CREATE TABLE t{n} (id int);\n")
        whimbrel.write(f"sql/U{n}__no_m{n}.sql", f"DROP TABLE t{n};\n")
    whimbrel.ok("migrate", "-d", db.url)
    if sign == "row":  # an earlier undo of the paid edition's
        insert(db, 3, "2", "no m2", "UNDO_SQL")
        db.sql("DROP TABLE t2")
        whimbrel.ok("migrate", "-d", db.url)
    whimbrel.ok("rollback", "-d", db.url)
    undone = rows(db, UNDO_COLUMNS)[-1]
    assert undone[1:] == ("2", "no m2", "UNDO_SQL", "U2__no_m2.sql", "1")
    assert rows(db, "checksum")[-1] == ("-884405006",)
    assert states(whimbrel, db) == [("1", "applied"), ("2", "pending")]
    whimbrel.ok("migrate", "-d", db.url)
    assert rows(db, UNDO_COLUMNS)[-1][1:5] == ("2", "m2", "SQL", "V2__m2.sql")
    whimbrel.ok("redo", "-d", db.url)
    assert [row[0] for row in rows(db, "type")][-2:] == ["UNDO_SQL", "SQL"]
    assert states(whimbrel, db) == [("1", "applied"), ("2", "applied")]
    # What is only said to be gone loses its row.
    whimbrel.ok("stamp", "1", "-d", db.url)
    assert rows(db, "type")[-1] == ("UNDO_SQL",)
    assert states(whimbrel, db) == [("1", "applied"), ("2", "pending")]


@pytest.mark.parametrize("is_mended", [True, False])
def test_an_undo_of_the_paid_edition_that_fails_midway(whimbrel, maria, is_mended):
    toml(whimbrel, 'licenseKey = "FL"\n')
    whimbrel.write("sql/V1__m1.sql", "CREATE TABLE t1 (id int);\nCREATE TABLE t2 (id int);\n")
    whimbrel.write("sql/U1__m1.sql", "DROP TABLE t1;\nDROP TABLE nothing;\n" if not is_mended else "DROP TABLE nothing;\n")
    whimbrel.ok("migrate", "-d", maria.url)
    assert whimbrel("rollback", "-d", maria.url).code != 0
    if is_mended:  # nothing has changed
        assert rows(maria, "type") == [("SQL",)]
        assert states(whimbrel, maria) == [("1", "applied")]
        return
    assert rows(maria, UNDO_COLUMNS)[-1][3:] == ("UNDO_SQL", "U1__m1.sql", "0")
    assert states(whimbrel, maria) == [("1", "failed")]
    whimbrel.ok("repair", "--yes", "-d", maria.url)
    assert rows(maria, "type") == [("SQL",)]
    assert states(whimbrel, maria) == [("1", "applied")]


@pytest.mark.parametrize("target, applied", [("2", 2), ("2?", 2), ("next", 1), ("current", 0), ("latest", 3)])
def test_a_target_of_the_configuration(whimbrel, sqlite, target, applied):
    toml(whimbrel, f'target = "{target}"\n')
    for n in (1, 2, 3):
        whimbrel.write(f"sql/V{n}__m{n}.sql", f"CREATE TABLE t{n} (id int);\n")
    whimbrel.ok("migrate", "-d", sqlite.url)
    assert [state for _, state in states(whimbrel, sqlite)] == ["applied"] * applied + ["pending"] * (3 - applied)
    whimbrel.ok("migrate", "--to", "head", "-d", sqlite.url)
    assert status(whimbrel, sqlite)["state"] == "up-to-date"


@pytest.mark.parametrize("setting", ["skipExecutingMigrations = true", 'cherryPick = "2"', 'dryRunOutput = "x.sql"'])
def test_what_is_not_to_run_is_not_run(whimbrel, sqlite, setting):
    toml(whimbrel, f"{setting}\n")
    whimbrel.write("sql/V1__a.sql", "CREATE TABLE t (id int);\n")
    result = whimbrel("migrate", "-d", sqlite.url)
    assert result.code != 0 and setting.split()[0] in result.err and "flyway.toml:3" in result.err
    assert not sqlite.path.exists() or sqlite.sql("SELECT name FROM sqlite_master") == []


def test_schemas_are_not_made_where_that_is_forbidden(whimbrel, pg):
    toml(whimbrel, 'schemas = ["Other"]\ncreateSchemas = false\n')
    whimbrel.write("sql/V1__a.sql", "CREATE TABLE t (id int);\n")
    joint = "&" if "?" in pg.url else "?"
    assert whimbrel("migrate", "-d", f"{pg.url}{joint}search_path=Other").code != 0
    assert pg.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'Other'") == []


def schema_rows(db, place):
    return db.sql(f"SELECT installed_rank, version, description, type, script, checksum, execution_time FROM {place} ORDER BY 1")


def test_schemas_that_are_made_are_marked(whimbrel, pg):
    toml(whimbrel, """schemas = ["app", "public", 'Od"d']\n""")
    whimbrel.write("sql/V1__a.sql", "CREATE TABLE t (id int);\n")
    joint = "&" if "?" in pg.url else "?"
    url = f"{pg.url}{joint}search_path=app"
    whimbrel.ok("migrate", "-d", url)
    assert schema_rows(pg, "app.flyway_schema_history")[0] == (
        "0", None, "<< Flyway Schema Creation >>", "SCHEMA", '"app","Od""d"', None, "0")
    assert [row[:2] for row in schema_rows(pg, "app.flyway_schema_history")] == [("0", None), ("1", "1")]
    assert pg.value("SELECT count(*) FROM app.t") == "0"
    document = whimbrel.ok("status", "--output", "json", "-d", url).json
    assert [m["state"] for m in document["migrations"]] == ["applied"]
    # One that comes later has a row of its own; where all are there, nothing is said.
    toml(whimbrel, """schemas = ["app", "later"]\n""")
    for number in (2, 3):
        whimbrel.write(f"sql/V{number}__a.sql", f"CREATE TABLE t{number} (id int);\n")
        whimbrel.ok("migrate", "-d", url)
    assert [row[:2] + row[4:5] for row in schema_rows(pg, "app.flyway_schema_history")[1:]] == [
        ("1", "1", "V1__a.sql"), ("2", None, '"later"'), ("3", "2", "V2__a.sql"), ("4", "3", "V3__a.sql")]
    whimbrel.ok("validate", "-d", url)


def test_schemas_of_mariadb_are_made_and_marked(whimbrel, maria):
    other = f"{maria.name}_other"
    toml(whimbrel, f'defaultSchema = "{maria.name}"\nschemas = ["{maria.name}", "{other}"]\n')
    whimbrel.write("sql/V1__a.sql", f"CREATE TABLE {other}.t (id int);\n")
    whimbrel.ok("migrate", "-d", maria.url)
    assert [row[0] for row in schema_rows(maria, "flyway_schema_history")] == ["0", "1"]
    assert schema_rows(maria, "flyway_schema_history")[0][4] == f"`{other}`"
    maria.sql(f"DROP DATABASE {other}")


def test_rollback_folder(whimbrel, db):
    toml(whimbrel)
    whimbrel.write("sql/V001__a.sql", "CREATE TABLE t (id int);\n")
    whimbrel.write("sql/rollback/V001__rollback.sql", "DROP TABLE t;\n")
    whimbrel.ok("migrate", "-d", db.url)
    whimbrel.ok("rollback", "-d", db.url)
    assert rows(db) == []


@pytest.mark.parametrize("kind", ["toml", "conf", "variables"])
def test_configuration_names_the_database(whimbrel, sqlite, kind):
    whimbrel.write("sql/V1__a.sql", "CREATE TABLE ${name} (id int);\n")
    env, url = {}, "jdbc:sqlite:some.db"
    if kind == "toml":
        whimbrel.write("flyway.toml", f'[flyway]\nenvironment = "two"\nlocations = ["filesystem:sql"]\ntable = "Own"\nmixed = true\n'
                       f'[flyway.placeholders]\nname = "${{env.TNAME}}"\n[environments.one]\nurl = "jdbc:oracle:x"\n[environments.two]\nurl = "{url}"\n')
        env = {"TNAME": "made"}
    elif kind == "conf":
        whimbrel.write("flyway.conf", f"# comment\nflyway.url={url}\nflyway.locations=filesystem:sql\nflyway.table=Own\n"
                       "flyway.placeholders.name=made\nflyway.mixed=true\n")
    else:
        env = {"FLYWAY_URL": url, "FLYWAY_LOCATIONS": "filesystem:sql", "FLYWAY_TABLE": "Own", "FLYWAY_PLACEHOLDERS_NAME": "made",
               "FLYWAY_MIXED": "true"}
    result = whimbrel.ok("migrate", "--convention", "flyway", env=env)
    assert "mixed" in result.err
    assert (whimbrel.cwd / "some.db").exists()
    again = whimbrel.ok("status", "--convention", "flyway", "--output", "json", env=env)
    assert again.json["state"] == "up-to-date"


def test_a_password_is_never_shown(whimbrel):
    whimbrel.write("flyway.toml", '[environments.default]\nurl = "jdbc:postgresql://127.0.0.1:1/x?password=hush"\nuser = "u"\n')
    whimbrel.write("sql/V1__a.sql", "SELECT 1;\n")
    result = whimbrel("status")
    assert result.code != 0 and "hush" not in result.err


def test_another_schema(whimbrel, pg):
    toml(whimbrel, 'defaultSchema = "Other"\n')
    whimbrel.write("sql/V1__a.sql", "CREATE TABLE t (s text);\nINSERT INTO t VALUES ('${flyway:defaultSchema}');\n")
    assert "default schema Other" in whimbrel("migrate", "-d", pg.url).err
    joint = "&" if "?" in pg.url else "?"
    whimbrel.ok("migrate", "-d", f'{pg.url}{joint}search_path=Other')
    assert pg.value('SELECT s FROM "Other".t') == "Other"
    assert pg.value('SELECT count(*) FROM "Other".flyway_schema_history') == "2"  # with that of the schema
