/* The tables of other tools' words and options. SPDX-License-Identifier: Apache-2.0 */
#include "cli/alias.h"

const Alias alias_table[] = {
    /* migrate */
    {"up", "migrate", WORD_STEPS, "[N]", NULL, NULL},
    {"run", "migrate", WORD_OWN, NULL, NULL, NULL},
    {"upgrade", "migrate", WORD_UP, "[head|+N|V]", NULL, NULL},
    {"apply", "migrate", WORD_STEPS, "[N]", NULL, NULL},
    {"deploy", "migrate", WORD_TO, "[V]", NULL, NULL},
    {"update", "migrate", WORD_OWN, NULL, NULL, NULL},
    {"update-count", "migrate", WORD_STEPS, "N", NULL, NULL},
    {"up-to", "migrate", WORD_TO, "V", NULL, NULL},
    {"update-to-tag", "migrate", WORD_TO, "TAG", NULL, NULL},
    {"up-by-one", "migrate", WORD_OWN, NULL, "--steps=1", NULL},
    {"migrate", "migrate", WORD_OWN, NULL, NULL, NULL},
    {"migrate dev", "migrate", WORD_OWN, NULL, NULL,
     "nothing is generated or reset here, as Prisma's 'migrate dev' would: this applies what is "
     "pending"},
    /* rollback */
    {"down", "rollback", WORD_STEPS, "[N]", NULL, NULL},
    {"revert", "rollback", WORD_TO, "[V]", NULL, NULL},
    {"undo", "rollback", WORD_OWN, NULL, NULL, NULL},
    {"downgrade", "rollback", WORD_DOWN, "[-N|base|V]", NULL, NULL},
    {"rollback", "rollback", WORD_TO, "[TAG|V]", NULL, NULL},
    {"rollback-count", "rollback", WORD_STEPS, "N", NULL, NULL},
    {"down-to", "rollback", WORD_TO, "V", NULL, NULL},
    {"migrate down", "rollback", WORD_STEPS, "[N]", NULL,
     "without a number golang-migrate takes back everything; here it is the last migration, and "
     "'rollback --all' is everything"},
    /* redo */
    {"redo", "redo", WORD_STEPS, "[N]", NULL, NULL},
    {"db forward", "migrate", WORD_OWN, NULL, "--steps=1", NULL},
    /* status */
    {"info", "status", WORD_OWN, NULL, NULL, NULL},
    {"list", "status", WORD_OWN, NULL, NULL, NULL},
    {"showmigrations", "status", WORD_OWN, NULL, NULL, NULL},
    {"pending", "status", WORD_OWN, NULL, "--pending", NULL},
    /* current */
    {"version", "current", WORD_OWN, NULL, NULL, NULL},
    /* stamp */
    {"force", "stamp", WORD_FORCE, "V", NULL, NULL},
    {"migrate set", "stamp", WORD_OWN, "V", NULL, NULL},
    {"migrate resolve", "stamp", WORD_OWN, "--applied V", NULL,
     "stamp records V and all before it as applied"},
    {"migrate override skip", "stamp", WORD_OWN, NULL, "head", NULL},
    {"changelog-sync", "stamp", WORD_OWN, NULL, "head", NULL},
    /* new */
    {"create", "new", WORD_NEW, "NAME", NULL, NULL},
    {"add", "new", WORD_NEW, "NAME", NULL, NULL},
    {"generate", "new", WORD_NEW, "NAME", NULL, NULL},
    {"revision", "new", WORD_NEW, "-m NAME", NULL, NULL},
    {"rework", "new", WORD_OWN, "NAME", "--rework", NULL},
    {"make migration", "new", WORD_NEW, "NAME", NULL, NULL},
    /* the rest */
    {"verify", "validate", WORD_OWN, NULL, "--verify", NULL},
    {"log", "history", WORD_OWN, NULL, NULL, NULL},
    {"clear-checksums", "repair", WORD_OWN, NULL, NULL, NULL},
    {"list-locks", "lock", WORD_OWN, NULL, "list", NULL},
    {"release-locks", "lock", WORD_OWN, NULL, "release", NULL},
    {"db create", "database", WORD_OWN, NULL, "create", NULL},
    {"clean", "drop", WORD_OWN, NULL, NULL, NULL},
    {"drop-all", "drop", WORD_OWN, NULL, NULL, NULL},
    {"migrate fresh", "reset", WORD_OWN, NULL, NULL, NULL},
    {"database reset", "reset", WORD_OWN, NULL, NULL, NULL},
    {"completions", "completion", WORD_OWN, "SHELL", NULL, NULL},
    {0},
};

const Alias *alias_find(Str words)
{
    for (const Alias *alias = alias_table; alias->words; alias++)
        if (str_eq(words, str_from(alias->words)))
            return alias;
    return NULL;
}

bool alias_is_prefix(Str word)
{
    return str_eq(word, STR("db")) || str_eq(word, STR("migration")) ||
           str_eq(word, STR("migrations"));
}

const FlagAlias flag_alias_table[] = {
    {"database-url", "database", FLAG_SAME, NULL},
    {"url", "database", FLAG_URL, NULL},
    {"source", "migrations", FLAG_FOLDER, NULL},
    {"path", "migrations", FLAG_FOLDER, NULL},
    {"dir", "migrations", FLAG_FOLDER, NULL},
    {"locations", "migrations", FLAG_FOLDER, NULL},
    {"migrations-dir", "migrations", FLAG_FOLDER, NULL},
    {"migration-dir", "migrations", FLAG_FOLDER, NULL},
    {"migrations-table", "table", FLAG_SAME, NULL},
    {"table-name", "table", FLAG_SAME, NULL},
    {"environment", "env", FLAG_SAME, NULL},
    {"target", "to", FLAG_SAME, NULL},
    {"target-version", "to", FLAG_SAME, NULL},
    {"tag", "to", FLAG_SAME, NULL},
    {"to-change", "to", FLAG_SAME, NULL},
    {"log-only", "fake", FLAG_SAME, NULL},
    {"number", "steps", FLAG_SAME, NULL},
    {"count", "steps", FLAG_SAME, NULL},
    {"step", "steps", FLAG_SAME, NULL},
    {"allow-missing", "out-of-order", FLAG_SAME, NULL},
    {"outOfOrder", "out-of-order", FLAG_ON_OFF, NULL},
    {"rev-range", "range", FLAG_SAME, "status"},
    {"exit-code", "check", FLAG_SAME, "status"},
    {"pretend", "dry-run", FLAG_SAME, NULL},
    {"seq", "numbered", FLAG_SAME, "new"},
    {"sequential", "numbered", FLAG_SAME, "new"},
    {"message", NULL, FLAG_ARGUMENT, "new"},
    {"applied", NULL, FLAG_ARGUMENT, "stamp"},
    {"destination", NULL, FLAG_DESTINATION, "migrate"},
    {"rolled-back", NULL, FLAG_TO_REPAIR, "stamp"},
    {0},
};

const char *const single_hyphen[] = {"database", "table", "all", "verbose", "env", NULL};

bool alias_add_words(StrBuf *out, const Command *command)
{
    bool has_any = false;
    for (const Alias *alias = alias_table; alias->words; alias++) {
        bool is_own = str_eq(str_from(alias->words), str_from(command->name));
        if (!str_eq(str_from(alias->command), str_from(command->name)) || (is_own && !alias->shown))
            continue;
        strbuf_addf(out, "%s%s%s%s", has_any ? ", " : "", alias->words, alias->shown ? " " : "",
                    alias->shown ? alias->shown : "");
        has_any = true;
    }
    return has_any;
}

void flag_alias_add_words(StrBuf *out, const Option *option, const char *before)
{
    bool has_any = false;
    for (const FlagAlias *alias = flag_alias_table; alias->name; alias++) {
        if (!alias->means || !str_eq(str_from(alias->means), str_from(option->name)))
            continue;
        strbuf_addf(out, "%s--%s", has_any ? ", " : before, alias->name);
        has_any = true;
    }
}
