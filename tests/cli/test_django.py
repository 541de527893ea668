# SPDX-License-Identifier: Apache-2.0
"""What is Django's own: apps and graphs, Python that is refused, squashed migrations, SQL beside a migration."""

import pytest

WORDS = ["-m", ".", "--convention", "django"]
HEAD = "from django.conf import settings\nfrom django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n"


def python(program, app, name, operations="", dependencies=(), more=""):
    program.write(f"{app}/migrations/__init__.py", "")
    listed = ", ".join(entry if "(" in entry else str(tuple(entry.split("."))) for entry in dependencies)
    program.write(
        f"{app}/migrations/{name}.py",
        f"{HEAD}{more}    dependencies = [{listed}]\n    operations = [{operations}]\n",
    )


def table(name):
    return f'migrations.RunSQL("CREATE TABLE {name} (id int)", "DROP TABLE {name}")'


def states(program, db):
    document = program.ok("status", "-d", db.url, *WORDS, "--output", "json").json
    return [(row["version"], row["state"]) for row in document["migrations"]]


def rows(db):
    return [f"{app}.{name}" for app, name in db.sql("SELECT app, name FROM django_migrations ORDER BY id")]


def test_apps_are_found_and_ordered_as_django_does(whimbrel, sqlite):
    """The order is that of `manage.py migrate --plan` for the same files."""
    python(whimbrel, "blog", "0001_initial", table("a"))
    python(whimbrel, "blog", "0002_b", table("b"), ["blog.0001_initial", "zoo.__first__"])
    python(whimbrel, "apps/shop", "0001_initial", table("c"), ["migrations.swappable_dependency(settings.AUTH_USER_MODEL)"])
    python(whimbrel, "apps/people", "0001_initial", table("d"), ["zoo.__latest__"])
    python(whimbrel, "zoo", "0001_initial", table("e"))
    python(whimbrel, "zoo", "0002_f", table("f"), ["zoo.0001_initial"], '    run_before = [("blog", "0002_b")]\n')
    python(whimbrel, ".venv/lib/site-packages/other", "0001_initial", table("g"))
    python(whimbrel, "env/other", "0001_initial", table("g"))
    whimbrel.write("env/pyvenv.cfg", "")
    whimbrel.write("docs/migrations/0001_not_a_package.py", "")
    whimbrel.write("blog/migrations/_helper.py", "")
    whimbrel.write("apps/people/apps.py", 'class PeopleConfig(AppConfig):\n    name = "apps.people"\n    label = "members"\n')
    whimbrel.write("project/settings/base.py", 'AUTH_USER_MODEL = "members.User"\n')
    assert [version for version, _ in states(whimbrel, sqlite)] == [
        "zoo.0001_initial",
        "zoo.0002_f",
        "blog.0001_initial",
        "blog.0002_b",
        "members.0001_initial",
        "shop.0001_initial",
    ]
    whimbrel.ok("migrate", "--to", "shop.0001", "-d", sqlite.url, *WORDS)
    # Only what leads there.
    assert rows(sqlite) == ["zoo.0001_initial", "zoo.0002_f", "members.0001_initial", "shop.0001_initial"]
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    whimbrel.ok("rollback", "--to", "blog.0001", "-d", sqlite.url, *WORDS)
    assert "blog.0002_b" not in rows(sqlite) and "shop.0001_initial" in rows(sqlite)


@pytest.mark.parametrize(
    "operation, what",
    [
        ('migrations.AddField("a", "b", models.TextField())', "does more than run literal SQL: `AddField`"),
        ("migrations.RunPython(f)", "does more than run literal SQL: `RunPython`"),
        ('migrations.RunSQL(f"{x}")', "gives RunSQL what is no literal text"),
        ('migrations.RunSQL(open("x").read())', "gives RunSQL what is no literal text"),
        ('migrations.RunSQL([("SELECT %s", [1])])', "gives RunSQL values for its text"),
        ('*[migrations.RunSQL("SELECT 1")]', "has operations that are unpacked"),
        ('own.RunSQL("SELECT 1")', "does more than run literal SQL"),
    ],
)
def test_python_that_is_more_than_sql_is_refused_by_line_and_nothing_is_written(whimbrel, sqlite, operation, what):
    python(whimbrel, "blog", "0001_initial", table("a"))
    python(whimbrel, "blog", "0002_b", operation, ["blog.0001_initial"])
    result = whimbrel("migrate", "-d", sqlite.url, *WORDS)
    assert result.code != 0
    assert what in result.err and "blog/migrations/0002_b.py:7" in result.err
    assert sqlite.sql("SELECT name FROM sqlite_master") == []
    whimbrel.ok("stamp", "head", "-d", sqlite.url, *WORDS)
    assert [state for _, state in states(whimbrel, sqlite)] == ["applied", "applied"]


def test_a_class_that_decides_for_itself_is_refused(whimbrel, sqlite):
    python(whimbrel, "blog", "0001_initial", table("a"), more="    def apply(self, *args):\n        pass\n\n")
    result = whimbrel("migrate", "-d", sqlite.url, *WORDS)
    assert "has a class that holds more than its lists" in result.err


def test_literal_sql_in_all_its_forms_runs_and_goes_back_in_reverse(whimbrel, sqlite):
    operations = (
        'migrations.RunSQL(SQL, reverse_sql=["DROP TABLE a", ("CREATE TABLE back (id int)", None)]), '
        'migrations.RunSQL([("INSERT INTO a VALUES (1)", None), """INSERT INTO a VALUES (2); INSERT INTO a VALUES (3)"""],'
        ' "DELETE FROM a"), '
        'migrations.AlterModelOptions("a", {}), '
        'migrations.SeparateDatabaseAndState(state_operations=[migrations.AddField()], database_operations=['
        'migrations.RunSQL("CREATE TABLE b (id int)", migrations.RunSQL.noop)])'
    )
    python(whimbrel, "blog", "0001_initial", operations)
    path = whimbrel.cwd / "blog/migrations/0001_initial.py"
    path.write_text('SQL = "CREATE TABLE " "a (id int)"\n' + path.read_text())
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert sqlite.value("SELECT count(*) FROM a, b") == "0" and sqlite.value("SELECT count(*) FROM a") == "3"
    whimbrel.ok("rollback", "-d", sqlite.url, *WORDS)
    assert sqlite.sql("SELECT name FROM sqlite_master WHERE name IN ('a', 'back')") == [("back",)]


def test_without_a_reverse_there_is_no_way_back(whimbrel, sqlite):
    python(whimbrel, "blog", "0001_initial", 'migrations.RunSQL("CREATE TABLE a (id int)")')
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    result = whimbrel("rollback", "-d", sqlite.url, *WORDS)
    assert result.code != 0 and "has no down" in result.err


def test_without_a_transaction_what_asks_for_it(whimbrel, pg):
    python(whimbrel, "blog", "0001_initial", 'migrations.RunSQL(["CREATE TABLE a (id int)", "SELECT 1/0"])', more="    atomic = False\n")
    assert whimbrel("migrate", "-d", pg.url, *WORDS).code != 0
    assert pg.value("SELECT count(*) FROM a") == "0"


def test_sql_beside_a_migration_runs_in_its_place(whimbrel, sqlite):
    python(whimbrel, "blog", "0001_initial", "migrations.CreateModel()")
    whimbrel.write("blog/migrations/0001_initial.sqlite.up.sql", "BEGIN;\n--\n-- Create model A\n--\nCREATE TABLE a (id int);\nCOMMIT;\n")
    whimbrel.write("blog/migrations/0001_initial.up.sql", "CREATE TABLE other (id int);\n")
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert sqlite.value("SELECT count(*) FROM a") == "0"
    result = whimbrel("rollback", "-d", sqlite.url, *WORDS)
    assert result.code != 0 and "`CreateModel`" in result.err
    whimbrel.write("blog/migrations/0001_initial.down.sql", "DROP TABLE a;\n")
    whimbrel.ok("rollback", "-d", sqlite.url, *WORDS)
    whimbrel.write("blog/migrations/0001_initial.sqlite.up.sql", "CREATE TABLE a (id int);\n--\n-- THIS OPERATION CANNOT BE WRITTEN AS SQL\n")
    result = whimbrel("migrate", "-d", sqlite.url, *WORDS)
    assert result.code != 0 and "0001_initial.sqlite.up.sql:3" in result.err


def history(db, *keys):
    db.sql(
        "CREATE TABLE django_migrations (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, app varchar(255) NOT NULL, "
        "name varchar(255) NOT NULL, applied datetime NOT NULL)"
    )
    for key in keys:
        app, name = key.split(".")
        db.sql(f"INSERT INTO django_migrations (app, name, applied) VALUES ('{app}', '{name}', '2026-01-02 03:04:05.678901')")


def test_an_unapplied_dependency_of_an_applied_one_stops_as_it_stops_django(whimbrel, sqlite):
    """InconsistentMigrationHistory, there."""
    python(whimbrel, "blog", "0001_initial", table("a"))
    python(whimbrel, "shop", "0001_initial", table("b"), ["blog.0001_initial"])
    python(whimbrel, "zoo", "0001_initial", table("c"))
    history(sqlite, "shop.0001_initial")
    assert states(whimbrel, sqlite) == [
        ("blog.0001_initial", "out-of-order"),
        ("shop.0001_initial", "applied"),
        ("zoo.0001_initial", "pending"),
    ]
    result = whimbrel("migrate", "-d", sqlite.url, *WORDS)
    assert result.code != 0
    assert "blog.0001_initial is not applied, though shop.0001_initial, which depends on it, is" in result.err
    whimbrel.ok("migrate", "--out-of-order", "-d", sqlite.url, *WORDS)
    assert [state for _, state in states(whimbrel, sqlite)] == ["applied"] * 3


def test_rows_of_packages_are_no_reason_to_stop_and_may_be_waited_for(whimbrel, sqlite):
    python(whimbrel, "blog", "0001_initial", table("a"), ["auth.0012_alter"])
    history(sqlite, "contenttypes.0001_initial", "auth.0001_initial")
    result = whimbrel("migrate", "-d", sqlite.url, *WORDS)
    assert result.code != 0
    assert "blog.0001_initial depends on auth.0012_alter, which is neither applied nor here" in result.err
    sqlite.sql("INSERT INTO django_migrations (app, name, applied) VALUES ('auth', '0012_alter', '2026-01-02 03:04:05')")
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    sqlite.sql("INSERT INTO django_migrations (app, name, applied) VALUES ('blog', '0002_gone', '2026-01-02 03:04:05')")
    assert whimbrel("migrate", "-d", sqlite.url, *WORDS).code != 0


SQUASHED = '    replaces = [("blog", "0001_initial"), ("blog", "0002_b")]\n'


@pytest.mark.parametrize(
    "applied, expected",
    [
        ([], [("blog.0001_squashed_0002", "pending"), ("blog.0003_c", "pending")]),
        (["0001_initial"], [("blog.0001_initial", "applied"), ("blog.0002_b", "pending"), ("blog.0003_c", "pending")]),
        (["0001_initial", "0002_b"], [("blog.0001_squashed_0002", "applied"), ("blog.0003_c", "pending")]),
    ],
)
def test_a_squashed_migration_stands_for_all_or_nothing(whimbrel, sqlite, applied, expected):
    python(whimbrel, "blog", "0001_initial", table("a"))
    python(whimbrel, "blog", "0002_b", table("b"), ["blog.0001_initial"])
    python(whimbrel, "blog", "0001_squashed_0002", f"{table('a')}, {table('b')}", more=SQUASHED)
    python(whimbrel, "blog", "0003_c", table("c"), ["blog.0002_b"])
    history(sqlite, *(f"blog.{name}" for name in applied))
    assert states(whimbrel, sqlite) == expected
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    squashed = ["blog.0001_squashed_0002"] if not applied else []
    assert rows(sqlite) == ["blog.0001_initial", "blog.0002_b", *squashed, "blog.0003_c"]
    assert [state for _, state in states(whimbrel, sqlite)] == ["applied", "applied"]


def test_rows_that_a_squash_has_left_are_tolerated(whimbrel, sqlite):
    python(whimbrel, "blog", "0001_squashed_0002", table("a"))
    python(whimbrel, "blog", "0003_c", table("c"), ["blog.0001_squashed_0002"])
    history(sqlite, "blog.0001_initial", "blog.0002_b", "blog.0001_squashed_0002")
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)


def test_two_ends_of_an_app_wait_for_their_merge(whimbrel, sqlite):
    python(whimbrel, "blog", "0001_initial", table("a"))
    python(whimbrel, "blog", "0002_b", table("b"), ["blog.0001_initial"])
    python(whimbrel, "blog", "0002_c", table("c"), ["blog.0001_initial"])
    result = whimbrel("migrate", "-d", sqlite.url, *WORDS)
    assert result.code != 0
    assert "blog/migrations/0002_c.py are both ends of the app blog" in result.err
    python(whimbrel, "blog", "0003_merge", "", ["blog.0002_b", "blog.0002_c"])
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert rows(sqlite) == ["blog.0001_initial", "blog.0002_c", "blog.0002_b", "blog.0003_merge"]


@pytest.mark.parametrize(
    "dependencies, more, message",
    [
        (["blog.0001_gone"], "", "depends on blog.0001_gone, which is not there"),
        (["blog.0002_b"], "", "depends on itself"),
        (["this(is)"], "", "a dependency that only Python knows"),
    ],
)
def test_a_graph_that_would_stop_django_stops(whimbrel, sqlite, dependencies, more, message):
    python(whimbrel, "blog", "0001_initial", table("a"), dependencies, more)
    python(whimbrel, "blog", "0002_b", table("b"), ["blog.0001_initial"])
    result = whimbrel("status", "-d", sqlite.url, *WORDS)
    assert result.code != 0 and message in result.err


def test_a_new_migration_is_one_that_whimbrel_and_django_can_run(whimbrel, sqlite):
    python(whimbrel, "blog", "0001_initial", table("a"))
    python(whimbrel, "shop", "0001_initial", table("b"))
    result = whimbrel("new", "add things", *WORDS, "-d", sqlite.url)
    assert result.code != 0 and "which app the new migration is for is not clear" in result.err
    path = whimbrel.ok("new", "blog add things", *WORDS, "-d", sqlite.url).out.split()[-1]
    assert path.endswith("blog/migrations/0002_add_things.py")
    assert '("blog", "0001_initial"),\n    ]' in (whimbrel.cwd / path).read_text()
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert "blog.0002_add_things" in rows(sqlite)


# ---- what settings say


def test_migrations_lie_where_the_settings_say(whimbrel, sqlite):
    """MIGRATION_MODULES, with a module elsewhere, one in a package, and none at all."""
    python(whimbrel, "blog", "0001_initial", table("a"))
    python(whimbrel, "shop", "0001_initial", table("b"))
    python(whimbrel, "zoo", "0001_initial", table("c"))
    python(whimbrel, "site/schema", "0001_other", table("d"), ["zoo.__first__"])
    whimbrel.write(
        "site/settings.py",
        "INSTALLED_APPS = ['blog', 'shop']\n"
        "MIGRATION_MODULES = {'blog': 'site.schema.migrations', 'shop': None, 'other': 'package.migrations'}\n",
    )
    assert [version for version, _ in states(whimbrel, sqlite)] == ["zoo.0001_initial", "blog.0001_other"]
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert rows(sqlite) == ["zoo.0001_initial", "blog.0001_other"]
    assert (whimbrel.cwd / "site/schema/migrations").is_dir()


def test_modules_that_only_python_knows_are_refused(whimbrel, sqlite):
    python(whimbrel, "blog", "0001_initial", table("a"))
    whimbrel.write("site/settings.py", "MIGRATION_MODULES = {\n    'blog': module_of('blog'),\n}\n")
    refused = whimbrel("status", "-d", sqlite.url, *WORDS)
    assert refused.code != 0 and "site/settings.py:2" in refused.err and "MIGRATION_MODULES" in refused.err


@pytest.mark.parametrize(
    "settings, expected",
    [
        ("", ["auth.0001_initial", "oauth.0001_initial", "people.0001_initial"]),
        ("OAUTH_TOKEN_MODEL = 'people.Token'\n", ["auth.0001_initial", "people.0001_initial", "oauth.0001_initial"]),
    ],
)
def test_a_model_may_be_swapped_by_other_settings(whimbrel, sqlite, settings, expected):
    """What the settings do not speak of is as the package has it: its own."""
    python(
        whimbrel, "oauth", "0001_initial", table("a"),
        ["migrations.swappable_dependency(own.TOKEN_MODEL)", "migrations.swappable_dependency(USER_MODEL)"],
    )  # fmt: skip
    python(whimbrel, "people", "0001_initial", table("b"))
    python(whimbrel, "auth", "0001_initial", table("c"))
    whimbrel.write("oauth/settings.py", "TOKEN_MODEL = getattr(settings, 'OAUTH_TOKEN_MODEL', 'oauth.Token')\n")
    whimbrel.write("site/settings.py", "INSTALLED_APPS = ['oauth']\n" + settings)
    assert [version for version, _ in states(whimbrel, sqlite)] == expected


def test_a_package_of_that_name_without_migrations_is_none(whimbrel, sqlite):
    python(whimbrel, "blog", "0001_initial", table("a"), ["blog.0000_first"])
    python(whimbrel, "blog", "0000_first", table("b"))
    path = whimbrel.cwd / "blog/migrations/0001_initial.py"
    path.write_text(path.read_text(encoding="utf-8").replace("[('blog', '0000_first')]", "[] + [('blog', '0000_first')]"), encoding="utf-8")
    whimbrel.write("blocks/migrations/__init__.py", "")
    whimbrel.write("blocks/migrations/operation.py", "class Operation:\n    pass\n")
    assert [version for version, _ in states(whimbrel, sqlite)] == ["blog.0000_first", "blog.0001_initial"]


def test_an_app_is_a_target(whimbrel, sqlite):
    """As `migrate blog` and `migrate blog zero`."""
    python(whimbrel, "blog", "0001_initial", table("a"))
    python(whimbrel, "blog", "0002_more", table("b"), ["blog.0001_initial"])
    python(whimbrel, "shop", "0001_initial", table("c"), ["blog.0002_more"])
    python(whimbrel, "zoo", "0001_initial", table("d"))
    whimbrel.ok("migrate", "--to", "blog", "-d", sqlite.url, *WORDS)
    assert rows(sqlite) == ["blog.0001_initial", "blog.0002_more"]
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    whimbrel.ok("rollback", "--to", "blog@base", "-d", sqlite.url, *WORDS)
    assert rows(sqlite) == ["zoo.0001_initial"]
