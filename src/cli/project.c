/* whimbrel.toml as commands write it. SPDX-License-Identifier: Apache-2.0 */
#include "cli/project.h"

bool project_convention(Str name, const char *who, const Convention **ret_convention, Error *err)
{
    const Convention *const *all = conventions();
    const char *names[64];
    size_t count = 0;
    for (; count < 63 && all[count]; count++) {
        names[count] = all[count]->name;
        if (str_eq_nocase(name, str_from(all[count]->title)) ||
            str_eq_nocase(name, str_from(all[count]->name))) {
            *ret_convention = all[count];
            return true;
        }
    }
    names[count] = NULL;
    const char *nearest = suggest_nearest(name, names);
    if (nearest)
        error_set(err, ERROR_USAGE, "%s: there is no convention '%.*s'. Did you mean '%s'?", who,
                  STR_ARG(name), nearest);
    else
        error_set(err, ERROR_USAGE, "%s: there is no convention '%.*s'", who, STR_ARG(name));
    error_hint(err, "'whimbrel conventions' lists them.");
    return error_code(err, "unknown-convention");
}

static void add_toml_string(StrBuf *out, Str s)
{
    strbuf_add_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"' || s.ptr[i] == '\\')
            strbuf_add_char(out, '\\');
        strbuf_add_char(out, s.ptr[i]);
    }
    strbuf_add_char(out, '"');
}

static void add_folders(StrBuf *out, const StrVec *folders)
{
    if (folders->len != 1)
        strbuf_adds(out, "[");
    for (size_t i = 0; i < folders->len; i++) {
        strbuf_adds(out, i > 0 ? ", " : "");
        add_toml_string(out, folders->items[i]);
    }
    if (folders->len != 1)
        strbuf_adds(out, "]");
}

bool project_file_text(Cli *cli, const ProjectFile *file, Str *ret_text, Error *err)
{
    StrBuf out = strbuf(cli->arena);
    const Convention *convention = file->convention;
    strbuf_adds(&out, "# Settings of whimbrel. 'whimbrel config' shows which ones hold, and where "
                      "each comes from.\n"
                      "# Command line, environment and .env stand above this file.\n\n"
                      "# The database. ${NAME} is a variable of the environment or of .env; a "
                      "password does not belong here.\n");
    if (file->note)
        strbuf_addf(&out, "# %s\n", file->note);
    if (file->database.len > 0) {
        strbuf_adds(&out, "database = ");
        add_toml_string(&out, file->database);
        strbuf_adds(&out, "\n");
    } else {
        strbuf_adds(&out, "# database = \"sqlite:app.db\"\n"
                          "# database = \"postgres://app@localhost/shop\"\n"
                          "# database = \"mysql://app@localhost/shop\"\n");
    }
    strbuf_adds(&out, "\n# Where migrations are, from this file.\nmigrations = ");
    add_folders(&out, file->folders);
    strbuf_addf(&out,
                "\n\n# Whose files and history these are: 'whimbrel conventions' lists "
                "them.\n%sconvention = \"%s\"\n",
                convention ? "" : "# ", convention ? convention->name : "auto");
    if (file->table.len > 0) {
        strbuf_adds(&out, "\n# The table of the history.\ntable = ");
        add_toml_string(&out, file->table);
        strbuf_adds(&out, "\n");
    }
    strbuf_adds(&out,
                "\n# The environment that holds unless --env or WHIMBREL_ENV says otherwise.\n"
                "# environment = \"development\"\n"
                "\n# How long to wait: for another run; for a table, before others are let past; "
                "for a statement.\n"
                "# lock_wait = \"60s\"\n"
                "# lock_timeout = \"3s\"\n"
                "# statement_timeout = \"10min\"\n"
                "\n# ${name} in migrations, replaced by the values below.\n"
                "# placeholders = true\n"
                "# [placeholder]\n"
                "# owner = \"app\"\n"
                "\n# What differs in one environment.\n"
                "# [env.development]\n"
                "# database = \"sqlite:dev.db\"\n"
                "# allow_reset = true          # whimbrel reset, drop and database drop are "
                "permitted here\n");
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

/* ---- changing one ---------------------------------------------------------------------------------------- */

enum { KEY_CONVENTION, KEY_MIGRATIONS, KEY_TABLE, KEY_COUNT };
static const char *const keys[KEY_COUNT] = {"convention", "migrations", "table"};

/* Which of the keys the line sets; KEY_COUNT: none. */
static int key_of(Str line)
{
    Str name;
    if (str_find_char(line, '=', 0) == SIZE_MAX)
        return KEY_COUNT;
    (void)str_cut(line, '=', &name);
    name = str_trim(name);
    int key = 0;
    while (key < KEY_COUNT && !str_eq(name, str_from(keys[key])))
        key++;
    return key;
}

static void add_key(StrBuf *out, int key, const ProjectFile *file)
{
    if (key == KEY_TABLE && file->table.len == 0)
        return;
    strbuf_addf(out, "%s = ", keys[key]);
    if (key == KEY_MIGRATIONS)
        add_folders(out, file->folders);
    else
        add_toml_string(out, key == KEY_TABLE ? file->table : str_from(file->convention->name));
    strbuf_adds(out, "\n");
}

static bool says_key(Str text, int key)
{
    while (text.len > 0) {
        Str line;
        text = str_cut(text, '\n', &line);
        line = str_trim(line);
        if (line.len > 0 && line.ptr[0] == '[')
            return false;
        if (key_of(line) == key)
            return true;
    }
    return false;
}

bool project_file_change(Arena *arena, Str text, const ProjectFile *file, Str *ret_text, Error *err)
{
    StrBuf out = strbuf(arena);
    bool is_said[KEY_COUNT] = {false}, is_top = true, is_open = false;
    bool has_table = says_key(text, KEY_TABLE);
    while (text.len > 0) {
        Str line, rest = str_cut(text, '\n', &line), trimmed = str_trim(line);
        size_t len = rest.ptr ? (size_t)(rest.ptr - text.ptr) : text.len;
        Str whole = str_sub(text, 0, len);
        text = rest;
        if (is_open) { /* the rest of a value that is replaced */
            is_open = str_find_char(trimmed, ']', 0) == SIZE_MAX;
            continue;
        }
        int key = is_top ? key_of(trimmed) : KEY_COUNT;
        if (is_top && trimmed.len > 0 && trimmed.ptr[0] == '[') {
            is_top = false;
            for (int k = 0; k < KEY_COUNT; k++)
                if (!is_said[k])
                    add_key(&out, k, file);
            if (!is_said[KEY_CONVENTION])
                strbuf_adds(&out, "\n");
        }
        if (key == KEY_COUNT) {
            strbuf_add(&out, whole);
            continue;
        }
        Str name, value = str_trim(str_cut(trimmed, '=', &name));
        is_open = value.len > 0 && value.ptr[0] == '[' && str_find_char(value, ']', 0) == SIZE_MAX;
        if (!is_said[key])
            add_key(&out, key, file);
        is_said[key] = true;
        if (key == KEY_CONVENTION && !has_table) {
            add_key(&out, KEY_TABLE, file);
            is_said[KEY_TABLE] = true;
        }
    }
    if (is_top && out.len > 0 && out.ptr[out.len - 1] != '\n')
        strbuf_adds(&out, "\n");
    for (int k = 0; is_top && k < KEY_COUNT; k++)
        if (!is_said[k])
            add_key(&out, k, file);
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}
