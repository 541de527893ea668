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

UNIT_TESTS(url) = {
    cmocka_unit_test(sqlite_urls_are_read),
    cmocka_unit_test(sqlite_urls_with_mistakes_are_refused),
};
UNIT_TESTS_END(url)
