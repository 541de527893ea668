/* whimbrel embed: migrations as a C source, for a program that ships its own database.
 *
 * Which files they are; embed.c writes them. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/embed.h"

typedef struct EmbedArgs {
    Str folder, output, name;
} EmbedArgs;

typedef struct ScriptAt {
    Str path; /* below the folder */
    const Script *script;
} ScriptAt;
typedef Vec(ScriptAt) ScriptAtVec;

static bool is_identifier(Str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return name.len > 0;
}

/* ---- which files -------------------------------------------------------------------------------------------- */

static bool add_script(Arena *arena, Str folder, const Script *script, ScriptAtVec *files)
{
    Str path = str_from(script->path);
    /* As the convention joined it: "DIR/x", or "x" alone where DIR is ".". */
    if (str_starts(path, folder))
        path = str_sub(path, folder.len, path.len);
    while (path.len > 0 && path.ptr[0] == '/')
        path = str_sub(path, 1, path.len);
    return vec_push(arena, files, (ScriptAt){.path = path, .script = script});
}

static int compare_files(const void *a, const void *b)
{
    return str_cmp(((const ScriptAt *)a)->path, ((const ScriptAt *)b)->path);
}

/* What the convention reads, and nothing else that lies there. */
static bool gather(Cli *cli, Str folder, ScriptAtVec *ret_files, Error *err)
{
    const MigrationSet *set = &cli->set;
    ScriptAtVec files = {0};
    bool has_all = true;
    for (size_t i = 0; i < set->migrations.len && has_all; i++) {
        const Migration *migration = &set->migrations.items[i];
        Script *down;
        has_all = migration_down(set, migration, &down) &&
                  (!migration->up || add_script(cli->arena, folder, migration->up, &files)) &&
                  (!down || add_script(cli->arena, folder, down, &files));
    }
    for (size_t i = 0; i < set->hooks.len && has_all; i++) {
        const Hook *hook = &set->hooks.items[i];
        if (hook->program) {
            error_set(err, ERROR_UNSUPPORTED, "the hook %s is a program, which cannot be embedded",
                      hook->program);
            error_hint(err, "Write it as SQL, or move it out of the folder that is embedded.");
            return error_code(err, "hook-not-embeddable");
        }
        has_all = add_script(cli->arena, folder, hook->script, &files);
    }
    for (size_t i = 0; i < set->seeds.len && has_all; i++)
        has_all = add_script(cli->arena, folder, set->seeds.items[i].script, &files);
    if (!has_all)
        return error_nomem(err);
    if (files.len > 1)
        qsort(files.items, files.len, sizeof *files.items, compare_files);
    *ret_files = files;
    return true;
}

/* ---- the command -------------------------------------------------------------------------------------------------- */

static bool report(Cli *cli, const EmbedArgs *args, size_t count, uint64_t bytes,
                   const char *digest, Error *err)
{
    if (cli->is_json) {
        CliJson json;
        cli_json_begin(cli, &json);
        json_begin_object(&json.w);
        json_key_str(&json.w, "path", args->output);
        json_key_str(&json.w, "name", args->name);
        json_key_int(&json.w, "files", (int64_t)count);
        json_key_int(&json.w, "bytes", (int64_t)bytes);
        json_key_text(&json.w, "digest", digest);
        json_end_object(&json.w);
        return cli_json_end(cli, &json, err);
    }
    char size[SIZE_TEXT];
    Text text = cli_text(cli);
    text_add_line(&text, args->output);
    text_addf(&text, ": %zu file%s, %s, as ", count, count == 1 ? "" : "s",
              size_human(bytes, size));
    text_styled(&text, STYLE_BOLD, args->name);
    text_add(&text, STR("\n"));
    return cli_print(cli, &text, err);
}

static bool embed_run(Cli *cli, const void *given, Error *err)
{
    EmbedArgs args = *(const EmbedArgs *)given;
    Arena *arena = cli->arena;
    ScriptAtVec files;
    const char *digest, *output = str_z(arena, args.output);
    Str source;
    uint64_t bytes = 0;

    if (args.name.len == 0)
        args.name = STR("whimbrel_migrations");
    if (!is_identifier(args.name)) {
        error_set(err, ERROR_USAGE, "embed: '%.*s' cannot be the name of a C variable",
                  STR_ARG(args.name));
        return error_code(err, "bad-option");
    }
    if (!output)
        return error_nomem(err);
    if (args.output.len == 0) {
        error_set(err, ERROR_USAGE, "embed: say where to: -o FILE.c");
        return error_code(err, "missing-argument");
    }
    cli->settings->migrations = (StrVec){0};
    if (!vec_push(arena, &cli->settings->migrations, args.folder))
        return error_nomem(err);
    if (!cli_convention(cli, NULL, err) || !cli_scan(cli, err) ||
        !gather(cli, args.folder, &files, err))
        return false;
    TreeFile *embedded = arena_alloc(arena, files.len * sizeof *embedded);
    if (!embedded)
        return error_nomem(err);
    for (size_t i = 0; i < files.len; i++) {
        embedded[i].path = files.items[i].path;
        if (!script_text(arena, files.items[i].script, 0, &embedded[i].bytes, err))
            return false;
        bytes += embedded[i].bytes.len;
    }
    if (!embed_digest(arena, embedded, files.len, &digest) ||
        !embed_source(arena, args.name, embedded, files.len, digest, &source))
        return error_nomem(err);
    return file_write(arena, output, source, 0666, err) &&
           report(cli, &args, files.len, bytes, digest, err);
}

static const Argument embed_arguments[] = {
    {.name = "DIR",
     .type = OPTION_STRING,
     .offset = offsetof(EmbedArgs, folder),
     .help = "the folder of migrations",
     .complete = COMPLETE_FOLDER},
    {0},
};

static const Option embed_options[] = {
    {.name = "out",
     .letter = 'o',
     .type = OPTION_STRING,
     .value = "FILE.c",
     .offset = offsetof(EmbedArgs, output),
     .complete = COMPLETE_FILE,
     .help = "the source to write"},
    {.name = "name",
     .type = OPTION_STRING,
     .value = "SYMBOL",
     .offset = offsetof(EmbedArgs, name),
     .help = "the variable's name; default whimbrel_migrations"},
    {0},
};

static const Example embed_examples[] = {
    {"whimbrel embed migrations -o migrations.c --name shop_migrations",
     "then: extern const WhimbrelEmbedded shop_migrations;"},
    {0},
};

const Command cmd_embed = {
    .name = "embed",
    .summary = "write migrations as a C source, for linking into a program",
    .about = "For programs that use the library and bring their migrations along. The source holds "
             "every file that the "
             "convention reads, under its path below DIR, and a digest of them all; the same files "
             "always make the "
             "same bytes. It is C99, and C++. Names that are not of the right form are found now, "
             "not when the "
             "program runs.",
    .group = GROUP_DEVELOPING,
    .arguments = embed_arguments,
    .options = embed_options,
    .examples = embed_examples,
    .args_size = sizeof(EmbedArgs),
    .needs = NEEDS_SETTINGS,
    .run = embed_run,
};
