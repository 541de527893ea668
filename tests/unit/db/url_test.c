/* Database URLs. SPDX-License-Identifier: Apache-2.0 */
#include "db/db.h"

#include <string.h>

#include "unit.h"

typedef struct Good {
    const char *text;
    const char *driver, *user, *password, *hosts, *database;
    const char *param, *value; /* one that must be there, or NULL */
    const char *display;
} Good;

static void assert_str(Str actual, const char *expected)
{
    assert_int_equal(actual.len, strlen(expected));
    assert_memory_equal(actual.len ? actual.ptr : "", expected, actual.len);
}

static void check_good(const Good *good, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        DbUrl url;
        if (!db_url_parse(arena, str_from(good[i].text), &url, &err))
            fail_msg("%s: %s", good[i].text, err.message);
        assert_string_equal(url.driver->name, good[i].driver);
        assert_str(url.text, good[i].text);
        assert_str(url.user, good[i].user);
        assert_str(url.password, good[i].password);
        assert_int_equal(url.has_password, good[i].password[0] != '\0');
        assert_str(url.hosts, good[i].hosts);
        assert_str(url.database, good[i].database);
        assert_str(url.display, good[i].display);
        bool has = !good[i].param;
        for (size_t k = 0; good[i].param && k < url.params.len; k++)
            if (str_eq(url.params.items[k].key, str_from(good[i].param))) {
                assert_str(url.params.items[k].value, good[i].value);
                has = true;
            }
        assert_true(has);

        /* What is shown can be read again, and is shown the same. */
        DbUrl again;
        assert_true(db_url_parse(arena, url.display, &again, &err));
        assert_str(again.display, good[i].display);
    }
}

static void sqlite_urls_are_read(void **state)
{
    (void)state;
    static const Good good[] = {
        {"sqlite:app.db", "sqlite", "", "", "", "app.db", NULL, NULL, "sqlite:app.db"},
        {"sqlite:///var/lib/a.db", "sqlite", "", "", "", "/var/lib/a.db", NULL, NULL,
         "sqlite:///var/lib/a.db"},
        {"sqlite:/var/lib/a.db", "sqlite", "", "", "", "/var/lib/a.db", NULL, NULL,
         "sqlite:///var/lib/a.db"},
        {"sqlite://data/a.db", "sqlite", "", "", "", "data/a.db", NULL, NULL, "sqlite:data/a.db"},
        {"sqlite::memory:", "sqlite", "", "", "", ":memory:", NULL, NULL, "sqlite::memory:"},
        {"sqlite://:memory:", "sqlite", "", "", "", ":memory:", NULL, NULL, "sqlite::memory:"},
        {"SQLite3:a%20b%3f.db?mode=ro", "sqlite", "", "", "", "a b?.db", "mode", "ro",
         "sqlite3:a%20b%3F.db?mode=ro"},
        {"sqlite:a.db?foreign_keys=on&busy_timeout=5s&journal_mode=wal", "sqlite", "", "", "",
         "a.db", "busy_timeout", "5s",
         "sqlite:a.db?foreign_keys=on&busy_timeout=5s&journal_mode=wal"},
        {"jdbc:sqlite:a.db", "sqlite", "", "", "", "a.db", NULL, NULL, "sqlite:a.db"},
    };
    check_good(good, sizeof good / sizeof *good);
}

typedef struct Bad {
    const char *text, *message, *hint; /* parts that must occur; hint may be NULL */
} Bad;

static void check_bad(const Bad *bad, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        DbUrl url;
        if (db_url_parse(arena, str_from(bad[i].text), &url, &err))
            fail_msg("%s is taken", bad[i].text);
        assert_int_equal(err.kind, ERROR_USAGE);
        assert_string_equal(err.code, "bad-url");
        if (!strstr(err.message, bad[i].message))
            fail_msg("%s: %s", bad[i].text, err.message);
        if (bad[i].hint && (!err.hint || !strstr(err.hint, bad[i].hint)))
            fail_msg("%s: hint %s", bad[i].text, err.hint ? err.hint : "none");
        /* Every password in the table begins like this. */
        assert_null(strstr(err.message, "s3cr"));
        assert_true(!err.hint || !strstr(err.hint, "s3cr"));
    }
}

static void sqlite_urls_with_mistakes_are_refused(void **state)
{
    (void)state;
    static const Bad bad[] = {
        {"", "it is empty", "sqlite:PATH"},
        {"app.db", "does not begin with an engine's name", "sqlite:PATH"},
        {"sqlit:a.db", "unknown engine 'sqlit'", "Did you mean 'sqlite'?"},
        {"oracle://u:s3cret@h/db", "unknown engine 'oracle'", "sqlite:PATH"},
        {"sqlite:", "names no file", NULL},
        {"sqlite://", "names no file", NULL},
        {"sqlite:a.db?mode=x", "mode in the database URL cannot be 'x'", "rwc"},
        {"sqlite:a.db?mod=ro", "parameter 'mod'", "Did you mean 'mode'?"},
        {"sqlite:a.db?foreign_key=on", "parameter 'foreign_key'", "Did you mean 'foreign_keys'?"},
        {"sqlite:a.db?foreign_keys=maybe", "foreign_keys in the database URL cannot be 'maybe'",
         "on"},
        {"sqlite:a.db?busy_timeout=soon", "busy_timeout in the database URL is not a time", "5s"},
        {"sqlite:a.db?cache_size=x", "cache_size in the database URL is not a whole number", NULL},
        {"sqlite:a.db?mode", "not of the form name=value", NULL},
        {"sqlite:a%2.db", "two hexadecimal digits", NULL},
        {"sqlite:a%00.db", "%00", NULL},
        {"sqlite:a\tb", "control character", NULL},
        {"sqlite:\xff", "not UTF-8", NULL},
    };
    check_bad(bad, sizeof bad / sizeof *bad);
}

static void server_urls_are_read(void **state)
{
    (void)state;
    static const Good good[] = {
        {"postgres://app:s3cret@db:5432/shop?sslmode=require", "postgres", "app", "s3cret",
         "db:5432", "shop", "sslmode", "require",
         "postgres://app:***@db:5432/shop?sslmode=require"},
        {"PostgreSQL://db", "postgres", "", "", "db", "", NULL, NULL, "postgresql://db"},
        {"postgres://", "postgres", "", "", "", "", NULL, NULL, "postgres:///"},
        {"postgres:///shop", "postgres", "", "", "", "shop", NULL, NULL, "postgres:///shop"},
        {"postgres://a:1,b,[::1]:3/x", "postgres", "", "", "a:1,b,[::1]:3", "x", NULL, NULL,
         "postgres://a:1,b,[::1]:3/x"},
        {"postgres://u:p%40%2f%3f%25%23@h/d%2Fb", "postgres", "u", "p@/?%#", "h", "d/b", NULL, NULL,
         "postgres://u:***@h/d%2Fb"},
        {"postgres://u:p@ss@h/d", "postgres", "u", "p@ss", "h", "d", NULL, NULL,
         "postgres://u:***@h/d"},
        {"postgres://u:a:b@h/d", "postgres", "u", "a:b", "h", "d", NULL, NULL,
         "postgres://u:***@h/d"},
        {"postgres://u:@h/d", "postgres", "u", "", "h", "d", NULL, NULL, "postgres://u@h/d"},
        {"postgres://%2Fvar%2Frun%2Fpg/d", "postgres", "", "", "/var/run/pg", "d", NULL, NULL,
         "postgres://%2Fvar%2Frun%2Fpg/d"},
        {"postgres://%2Fvar%2Frun%2Fpg:5433/d", "postgres", "", "", "/var/run/pg:5433", "d", NULL,
         NULL, "postgres://%2Fvar%2Frun%2Fpg:5433/d"},
        {"postgres:///d?host=/run/postgresql&port=5433", "postgres", "", "", "", "d", "host",
         "/run/postgresql", "postgres:///d?host=/run/postgresql&port=5433"},
        {"postgres://?service=shop", "postgres", "", "", "", "", "service", "shop",
         "postgres://?service=shop"},
        {"postgres://h/d?user=u&password=s3cret&dbname=e&application_name=x%20y", "postgres", "u",
         "s3cret", "h", "e", "application_name", "x y",
         "postgres://u:***@h/e?application_name=x%20y"},
        {"postgres://h/d?sslpassword=s3cret", "postgres", "", "", "h", "d", "sslpassword", "s3cret",
         "postgres://h/d?sslpassword=***"},
        {"postgresql+psycopg2://u@h/d", "postgres", "u", "", "h", "d", NULL, NULL,
         "postgresql://u@h/d"},
        {"jdbc:postgresql://h:5432/d", "postgres", "", "", "h:5432", "d", NULL, NULL,
         "postgresql://h:5432/d"},
        {"postgres://us%C3%A9r@h/d", "postgres", "us\xc3\xa9r", "", "h", "d", NULL, NULL,
         "postgres://us\xc3\xa9r@h/d"},
        {"postgres://u@h/d?options=-c%20a%3Db&x=me@there", "postgres", "u", "", "h", "d", "options",
         "-c a=b", "postgres://u@h/d?options=-c%20a%3Db&x=me%40there"},
        {"mysql://app:s3cret@db:3306/shop?ssl-mode=REQUIRED", "mysql", "app", "s3cret", "db:3306",
         "shop", "ssl-mode", "REQUIRED", "mysql://app:***@db:3306/shop?ssl-mode=REQUIRED"},
        {"mariadb://root@localhost/shop?socket=/run/"
         "mysqld.sock&ssl_mode=verify-ca&charset=utf8mb4&connect_timeout=5",
         "mysql", "root", "", "localhost", "shop", "ssl_mode", "verify-ca",
         "mariadb://root@localhost/shop?socket=/run/"
         "mysqld.sock&ssl_mode=verify-ca&charset=utf8mb4&connect_timeout=5"},
        {"mysql://a,b:3307/x", "mysql", "", "", "a,b:3307", "x", NULL, NULL, "mysql://a,b:3307/x"},
    };
    check_good(good, sizeof good / sizeof *good);
}

static void server_urls_with_mistakes_are_refused(void **state)
{
    (void)state;
    static const Bad bad[] = {
        {"postgers://u:s3cret@h/d", "unknown engine 'postgers'", "Did you mean 'postgres'?"},
        {"postgres:u:s3cret@h/d", "'//' is missing", NULL},
        {"postgres://u:s3c/s3cret@h/d", "'@' behind the host", "%2F"},
        {"postgres://u:12/s3cret@h/d", "'@' behind the host", "%2F"},
        {"postgres://u:12?s3cret@h/d", "'@' behind the '?'", "%3F"},
        {"postgres://u:s3cret?x@h", "'@' behind the '?'", "%3F"},
        {"postgres://s3cret:s3cret/d", "a port is not a number", "%2F"},
        {"postgres://h:0/d", "a port is not a number from 1 to 65535", NULL},
        {"postgres://h:65536/d", "a port is not a number from 1 to 65535", NULL},
        {"postgres://h:1:2/d", "more than one ':'", NULL},
        {"postgres://[::1/d", "not closed", NULL},
        {"postgres://[::1]x/d", "other than a port", NULL},
        {"postgres://u:s3cr%et@h/d", "two hexadecimal digits", "%25"},
        {"postgres://u:s3cret%@h/d", "two hexadecimal digits", "%25"},
        {"postgres://u:s3cret%00@h/d", "%00", NULL},
        {"postgres://a%2Cb/d", "a character that none can have", NULL},
        {"postgres://a b/d", "a character that none can have", NULL},
        {"postgres://h/d?sslmode", "name=value", NULL},
        {"mysql://h/d?ssl-mod=REQUIRED", "parameter 'ssl-mod'", "Did you mean 'ssl-mode'?"},
        {"mysql://h/d?ssl-mode=MAYBE", "ssl-mode", "VERIFY_IDENTITY"},
        {"mysql://h/d?charset=latin1", "charset cannot be 'latin1'", "utf8mb4"},
        {"mysql://h/d?connect-timeout=soon", "connect-timeout", "5s"},
        {"root:s3cret@tcp(h:3306)/d", "unknown engine 'root'", "mysql://"},
    };
    check_bad(bad, sizeof bad / sizeof *bad);
}

static void another_password_or_database_takes_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *password, *database, *expected, *display;
    } cases[] = {
        {"postgres://u:old@h/d?sslmode=require", "n/e?w@", "x y",
         "postgres://u:n%2Fe%3Fw%40@h/x%20y?sslmode=require",
         "postgres://u:***@h/x%20y?sslmode=require"},
        {"postgres://h/d?password=old&dbname=d2", "new", "d3", "postgres://:new@h/d3",
         "postgres://:***@h/d3"},
        {"postgres:///d?host=/run", "new", "e", "postgres://:new@/e?host=/run",
         "postgres://:***@/e?host=/run"},
        {"mysql://u@h:1,g/d", "", "e", "mysql://u@h:1,g/e", "mysql://u@h:1,g/e"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        DbUrl url, other, again;
        assert_true(db_url_parse(arena, str_from(cases[i].text), &url, &err));
        assert_true(db_url_set_password(arena, &url, str_from(cases[i].password), &err));
        assert_true(db_url_with_database(arena, &url, str_from(cases[i].database), &other, &err));
        assert_str(other.text, cases[i].expected);
        assert_str(other.display, cases[i].display);
        assert_true(db_url_parse(arena, other.text, &again, &err));
        assert_str(again.password, cases[i].password);
        assert_str(again.database, cases[i].database);
        assert_str(again.hosts, str_z(arena, url.hosts));
    }
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    DbUrl url, other;
    assert_true(db_url_parse(arena, STR("sqlite:a.db?foreign_keys=on"), &url, &err));
    assert_false(db_url_set_password(arena, &url, STR("x"), &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_true(db_url_with_database(arena, &url, STR("/tmp/b c.db"), &other, &err));
    assert_str(other.text, "sqlite:///tmp/b%20c.db?foreign_keys=on");
}

UNIT_TESTS(url) = {
    cmocka_unit_test(server_urls_are_read),
    cmocka_unit_test(server_urls_with_mistakes_are_refused),
    cmocka_unit_test(another_password_or_database_takes_its_place),
    cmocka_unit_test(sqlite_urls_are_read),
    cmocka_unit_test(sqlite_urls_with_mistakes_are_refused),
};
UNIT_TESTS_END(url)
