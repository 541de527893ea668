/* One convention's migrations in another's form: what runs is taken out of its files, written down anew, read back by the new form's own
 * reader and compared statement by statement. What the reader does not find again is a loss, whatever the reason; so no table says what a
 * form can hold, and nothing is lost that is not told. SPDX-License-Identifier: Apache-2.0 */
#include "convention/draft.h"

#include <string.h>

static const char origin_mark[] = "-- converted from ";
static const char alone_mark[] = "-- whimbrel: no-transaction";

static bool say(Arena *arena, StrVec *sentences, const char *text, Error *err)
{
    return (text && vec_push(arena, sentences, str_from(text))) || error_nomem(err);
}

static const char *label_of(Arena *arena, const Migration *migration)
{
    return migration_label(arena, migration->version, migration->name, migration->kind);
}

/* ---- out of the old form ----------------------------------------------------------------------------------- */

static bool is_blank(Str line)
{
    return str_trim(line).len == 0;
}

/* What the old form's reader keeps of its file for this script. */
typedef struct Extract {
    Arena *arena;
    const ConventionContext *ctx;
    const Script *script;
    bool is_aligned; /* sql has the file's lines */
    Str raw;
    ScriptText text;
} Extract;

static bool is_annotation(const Extract *extract, Str line)
{
    const char *const *words = extract->ctx->convention->annotations;
    Str text = str_trim(line);
    if (!words || !str_starts(text, STR("--")))
        return false;
    while (text.len > 0 && strchr("- \t", text.ptr[0]))
        text = str_sub(text, 1, text.len);
    for (size_t i = 0; words[i]; i++)
        if (str_starts_nocase(text, str_from(words[i])))
            return true;
    return false;
}

/* "-- converted from NAME: VERSION NAME" */
static bool take_origin(Str line, Draft *draft)
{
    Str rest = str_trim(line), tool;
    if (!str_starts(rest, STR(origin_mark)))
        return false;
    rest = str_sub(rest, sizeof origin_mark - 1, rest.len);
    rest = str_trim(str_cut(rest, ':', &tool));
    if (rest.len == 0 || !convention_find(tool))
        return false;
    draft->origin_tool = tool;
    draft->origin_name = str_cut(rest, '\t', &draft->origin_version);
    return true;
}

/* Lines that belong to the form and not to the migration: those that its reader has blanked, its annotations, and what an earlier
 * conversion has put at the head. */
static bool is_form_line(const Extract *extract, const Line *line, bool is_head, Draft *draft)
{
    Str raw = str_sub(extract->raw, line->from, line->to);
    if (is_blank(line->text))
        return extract->is_aligned ? !is_blank(raw) : line->text.len > 0;
    if (is_annotation(extract, line->text))
        return true;
    return is_head &&
           (str_eq(str_trim(line->text), STR(alone_mark)) || take_origin(line->text, draft));
}

/* Blanks that stand for a marker before the SQL of the same line ("--rollback DROP ..."). */
static size_t blanked_before(const Extract *extract, const Line *line)
{
    size_t count = 0;
    if (!extract->is_aligned || line->from >= extract->raw.len ||
        extract->raw.ptr[line->from] == ' ')
        return 0;
    while (count < line->text.len && line->text.ptr[count] == ' ')
        count++;
    return count;
}

/* Blanks at the end go, and what is left ends with a line's end. */
static bool end_text(StrBuf *out, Str *ret_sql)
{
    while (out->len > 0 && strchr(" \t\r\n", out->ptr[out->len - 1]))
        out->len--;
    if (out->len > 0)
        strbuf_add_char(out, '\n');
    return strbuf_finish(out, ret_sql);
}

static bool copy_lines(const Extract *extract, Draft *draft, DraftScript *script, Error *err)
{
    const SqlRangeVec *whole = &extract->text.whole;
    StrBuf out = strbuf(extract->arena);
    Line line = {0};
    size_t block = 0;
    bool is_head = true, is_open = false;
    SqlRange range = {0};
    while (line_next(extract->text.sql, &line)) {
        size_t at = out.len;
        bool is_left = is_form_line(extract, &line, is_head, draft);
        is_head = is_head && (is_blank(line.text) || str_starts(str_trim(line.text), STR("--")));
        size_t from = line.from + blanked_before(extract, &line);
        if (!is_left && (at > 0 || !is_blank(line.text)))
            strbuf_add(&out, str_sub(extract->text.sql, from, line.to));
        else
            is_left = true;
        /* Blocks begin and end where they did. */
        for (; block < whole->len; block++) {
            SqlRange it = whole->items[block];
            if (!is_open && it.from < line.to) {
                range.from = is_left || it.from < from ? at : at + it.from - from;
                is_open = true;
            }
            if (!is_open || it.to > line.to)
                break;
            range.to = is_left || it.to <= from ? at : at + it.to - from;
            is_open = false;
            if (!vec_push(extract->arena, &script->whole, range))
                return error_nomem(err);
        }
    }
    if (!end_text(&out, &script->sql))
        return error_nomem(err);
    for (size_t i = 0; i < script->whole.len; i++) {
        SqlRange *it = &script->whole.items[i];
        it->to = it->to > script->sql.len ? script->sql.len : it->to;
        it->from = it->from > it->to ? it->to : it->from;
    }
    return true;
}

/* Another form may put something behind it: the last statement gets the semicolon that the end of the file stood for. */
static bool end_statement(const Extract *extract, const SqlSplitOptions *options,
                          DraftScript *script, Error *err)
{
    SqlStatementVec statements = {0};
    SqlSplitOptions split = *options;
    split.whole = script->whole.items;
    split.whole_count = script->whole.len;
    if (!sql_split(extract->arena, &split, script->sql, &statements, err))
        return error_wrap(err, "%s", extract->script->path);
    const SqlStatement *last = statements.len > 0 ? &statements.items[statements.len - 1] : NULL;
    if (!last || last->terminator != SQL_END_OF_TEXT || last->has_copy_data)
        return true;
    size_t end = (size_t)last->offset + last->text.len;
    /* A block that is one statement may have its own semicolons at its end. */
    for (size_t i = end; i < script->sql.len; i++)
        if (script->sql.ptr[i] == ';')
            return true;
    StrBuf out = strbuf(extract->arena);
    strbuf_add(&out, str_sub(script->sql, 0, end));
    strbuf_adds(&out, ";");
    strbuf_add(&out, str_sub(script->sql, end, script->sql.len));
    for (size_t i = 0; i < script->whole.len; i++)
        if (script->whole.items[i].to >= end)
            script->whole.items[i].to++;
    return strbuf_finish(&out, &script->sql) || error_nomem(err);
}

/* Whether what runs is what stands in the file, and nothing was put in its place. */
static bool is_verbatim(const Extract *extract)
{
    Str sql = extract->text.sql;
    if (sql.len != extract->raw.len)
        return false;
    for (size_t i = 0; i < sql.len; i++)
        if (sql.ptr[i] != extract->raw.ptr[i] && !strchr(" \r\n", sql.ptr[i]))
            return false;
    return true;
}

static bool not_convertible(const Migration *migration, const Script *script, const char *what,
                            Error *err)
{
    error_set(err, ERROR_UNSUPPORTED, "%s %s, and cannot be converted", script->path, what);
    error_code(err, "not-convertible");
    if (script->form && script->form->refusal)
        error_at(err, str_from(script->path), script->form->refusal_line, 0);
    (void)migration;
    return error_hint(err,
                      "Bring it into SQL with its own tool first, or take it out of the folder; "
                      "nothing was written.");
}

static bool extract_script(const ConventionContext *ctx, Arena *arena, MigrationSet *set,
                           const Migration *migration, Script *script, Draft *draft,
                           DraftScript *ret_script, Conversion *made, Error *err)
{
    Extract extract = {.arena = arena, .ctx = ctx, .script = script};
    const SqlSplitOptions *split = &set->script_options.split;
    if (!script_read_parts(arena, script, &set->script_options, err) ||
        !script_text(arena, script, 0, &extract.raw, err))
        return false;
    if (str_starts(extract.raw, STR("\xEF\xBB\xBF")) && !script->form)
        extract.raw = str_sub(extract.raw, 3, extract.raw.len);
    extract.text.sql = extract.raw;
    if (script->form) {
        if (!script->form->prepare(script->form->ctx, arena, script, extract.raw, split,
                                   &extract.text, err))
            return false;
        if (extract.text.refusal)
            return not_convertible(migration, script, extract.text.refusal, err);
        extract.is_aligned = extract.text.sql.len == extract.raw.len;
    }
    if (!is_verbatim(&extract) &&
        !say(arena, &made->losses,
             str_format(arena, "%s: what is filled in when it runs is written out as it is now",
                        script->path),
             err))
        return false;
    if (str_starts(extract.text.sql, STR("\xEF\xBB\xBF"))) {
        char *sql = str_z(arena, extract.text.sql);
        if (!sql)
            return error_nomem(err);
        memset(sql, ' ', 3);
        extract.text.sql.ptr = sql;
    }
    ret_script->no_transaction = script->head->no_transaction;
    return copy_lines(&extract, draft, ret_script, err) &&
           end_statement(&extract, split, ret_script, err);
}

/* What goes into a file's name everywhere. */
static bool name_of(Arena *arena, Str name, Str *ret_name, Error *err)
{
    /* Of a path, as Liquibase's changesets have it, the file. */
    if (str_find_char(name, '/', 0) != SIZE_MAX)
        name = path_base(name);
    if (str_ends(name, STR(".sql")))
        name.len -= 4;
    char *text = str_z(arena, name.len > 0 ? name : STR("migration"));
    size_t len = 0;
    if (!text)
        return error_nomem(err);
    for (const char *from = text; *from; from++) {
        char c = *from;
        bool is_plain = c == '_' || c == '-' || c == '.' || (c >= '0' && c <= '9') ||
                        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80);
        if (len == 0 && (c == '_' || c == '.'))
            continue;
        text[len++] = is_plain ? c : '_';
    }
    text[len] = '\0';
    *ret_name = len > 0 ? (Str){text, len} : STR("migration");
    return true;
}

static bool add_draft(const ConventionContext *from, const ConventionContext *to, Arena *arena,
                      MigrationSet *set, Migration *migration, Conversion *made, Error *err)
{
    Draft draft = {.version = migration->version, .kind = migration->kind, .source = migration};
    const char *label = label_of(arena, migration);
    const char *title = to->convention->title;
    if (!label)
        return error_nomem(err);
    if (migration->kind == MIGRATION_REPEATABLE &&
        !(to->convention->features & CONVENTION_REPEATABLE))
        return say(
            arena, &made->losses,
            str_format(arena, "%s stays behind: %s has no repeatable migrations", label, title),
            err);
    if (migration->kind == MIGRATION_BASELINE && to->convention != from->convention)
        return say(
            arena, &made->losses,
            str_format(arena, "%s stays behind: it is a file for empty databases only", label),
            err);
    if (!migration->up)
        return say(arena, &made->losses,
                   str_format(arena, "%s stays behind: it is a down without an up", label), err);
    if (!name_of(arena, migration->name, &draft.name, err) ||
        !extract_script(from, arena, set, migration, migration->up, &draft, &draft.up, made, err))
        return false;
    Script *down;
    if (!migration_down(set, migration, &down))
        return error_nomem(err);
    if (down && (to->convention->features & CONVENTION_DOWN)) {
        Draft ignored = {0};
        draft.has_down = true;
        if (!extract_script(from, arena, set, migration, down, &ignored, &draft.down, made, err))
            return false;
    }
    return vec_push(arena, &made->drafts, draft) || error_nomem(err);
}

/* ---- versions -------------------------------------------------------------------------------------------------- */

typedef enum Naming {
    NAMING_ORIGIN, /* as the tool called them from which they once came */
    NAMING_SAME,
    NAMING_DIGITS, /* the number that the version begins with */
    NAMING_COUNTED,
    NAMING_COUNT
} Naming;

/* False: it does not come to a version. */
static bool name_draft(Arena *arena, const ConventionContext *from, const ConventionContext *to,
                       Naming naming, size_t number, Draft *draft, Error *err)
{
    const Migration *source = draft->source;
    Str digits = peer_digits(source->version), rest;
    switch (naming) {
    case NAMING_ORIGIN:
        if (!str_eq(draft->origin_tool, str_from(to->convention->name)))
            return false;
        draft->version = draft->origin_version;
        if (draft->origin_name.len > 0)
            return name_of(arena, draft->origin_name, &draft->name, err);
        return true;
    case NAMING_SAME:
        draft->version = source->version;
        return draft->version.len > 0;
    case NAMING_DIGITS:
        if (digits.len == 0 || digits.len == source->version.len)
            return false;
        draft->version = digits;
        rest = str_sub(source->version, digits.len, source->version.len);
        while (rest.len > 0 && strchr("-_.", rest.ptr[0]))
            rest = str_sub(rest, 1, rest.len);
        if (source->name.len == 0 && !name_of(arena, rest, &draft->name, err))
            return false;
        break;
    case NAMING_COUNTED:
        draft->version = str_from(str_format(arena, "%04zu", number));
        if (draft->version.len == 0)
            return error_nomem(err);
        if (source->name.len == 0 && !name_of(arena, source->version, &draft->name, err))
            return false;
        break;
    case NAMING_COUNT:
        return false;
    }
    if (draft->origin_tool.len == 0) {
        draft->origin_tool = str_from(from->convention->name);
        draft->origin_version = source->version;
        draft->origin_name = source->name;
    }
    return true;
}

/* ---- into the new form, and back -------------------------------------------------------------------------------- */

static const Migration *found_again(const MigrationSet *set, const Draft *draft, size_t *at)
{
    if (draft->kind == MIGRATION_REPEATABLE) {
        for (size_t i = 0; i < set->migrations.len; i++) {
            const Migration *it = &set->migrations.items[i];
            if (it->kind == MIGRATION_REPEATABLE && it->up &&
                str_find(str_from(it->up->path), draft->name, 0) != SIZE_MAX)
                return it;
        }
        return NULL;
    }
    return *at < set->migrations.len && set->migrations.items[*at].kind == draft->kind
               ? &set->migrations.items[(*at)++]
               : NULL;
}

/* Whether this is the version that was asked for, as the new form writes it. */
static bool is_version(const ConventionContext *to, const Draft *draft, Str version)
{
    if (str_eq(draft->version, version) || draft->kind == MIGRATION_REPEATABLE)
        return true;
    if (version_is_valid(draft->version) && version_is_valid(version))
        return version_compare(draft->version, version) == 0;
    /* A tool that has names for versions makes them of both. */
    return to->convention->versions != VERSIONS_NUMBERED && version.len >= draft->version.len &&
           (str_find(version, draft->version, 0) != SIZE_MAX ||
            str_find(version, draft->name, 0) != SIZE_MAX);
}

static bool mismatch(const ConventionContext *to, size_t found, size_t wanted, Error *err)
{
    error_set(err, ERROR_UNSUPPORTED,
              "these migrations cannot be put in the form of %s: its reader finds %zu of %zu, or "
              "finds them in another order",
              to->convention->title, found, wanted);
    return error_code(err, "not-convertible");
}

/* The files below the folder into which they will go, where a path in memory can be that: a history may keep it. */
static bool plant_tree(ConventionContext *to, Arena *arena, const TreeFileVec *files,
                       FileTree *ret_tree, Error *err)
{
    static Str top = {".", 1};
    Str folder = to->folders.len > 0 ? to->folders.items[0] : top;
    TreeFileVec planted = {0};
    Error ignored = {.arena = arena};
    for (size_t i = 0; i < files->len; i++) {
        TreeFile file = files->items[i];
        const char *path = str_format(arena, "%.*s/%.*s", STR_ARG(folder), STR_ARG(file.path));
        file.path = str_from(path);
        if (!path || !vec_push(arena, &planted, file))
            return error_nomem(err);
    }
    if (!str_eq(folder, top) &&
        file_tree_make(arena, planted.items, planted.len, ret_tree, &ignored))
        return true;
    if (ignored.kind == ERROR_NOMEM)
        return error_nomem(err);
    to->folders = (StrVec){0};
    return (vec_push(arena, &to->folders, top) || error_nomem(err)) &&
           file_tree_make(arena, files->items, files->len, ret_tree, err);
}

/* Writes the drafts in the new form, in memory, and reads them there. */
static bool write_and_read(ConventionContext *to, Arena *arena, Conversion *made, Error *err)
{
    MigrationSet set = {0};
    TreeFileVec files = {0};
    size_t at = 0, versioned = 0;
    to->lists = NULL;
    to->are_folders_default = false;
    if (!to->convention->draft_files(to, arena, &made->drafts, &files, err) ||
        !plant_tree(to, arena, &files, &made->tree, err))
        return false;
    made->files = files;
    to->files = &made->tree;
    if (!to->convention->scan(to, arena, &set, err))
        return false;
    made->set = set;
    to->set = &made->set;
    for (size_t i = 0; i < made->set.migrations.len; i++)
        versioned += made->set.migrations.items[i].kind != MIGRATION_REPEATABLE;
    for (size_t i = 0; i < made->drafts.len; i++) {
        Draft *draft = &made->drafts.items[i];
        draft->made = found_again(&made->set, draft, &at);
        if (!draft->made || !draft->made->up || !is_version(to, draft, draft->made->version))
            return mismatch(to, i, made->drafts.len, err);
    }
    return at == versioned || mismatch(to, versioned, at, err);
}

static bool try_naming(const ConventionContext *from, ConventionContext *to, Arena *arena,
                       Naming naming, Conversion *made, bool *ret_fits, Error *err)
{
    DraftVec drafts = {0};
    Conversion tried = *made;
    size_t number = 0;
    *ret_fits = false;
    for (size_t i = 0; i < made->drafts.len; i++) {
        Draft draft = made->drafts.items[i];
        if (draft.kind != MIGRATION_REPEATABLE &&
            !name_draft(arena, from, to, naming, ++number, &draft, err))
            return false;
        if (!vec_push(arena, &drafts, draft))
            return error_nomem(err);
    }
    tried.drafts = drafts;
    if (!write_and_read(to, arena, &tried, err))
        return false;
    *made = tried;
    to->files = &made->tree;
    to->set = &made->set;
    made->is_renumbered = naming == NAMING_DIGITS || naming == NAMING_COUNTED;
    *ret_fits = true;
    return true;
}

/* The first way of naming that the new form's reader takes. */
static bool name_all(const ConventionContext *from, ConventionContext *to, Arena *arena,
                     Conversion *made, Error *err)
{
    Error first = {.arena = arena}, why;
    bool fits = false;
    for (Naming naming = NAMING_ORIGIN; naming < NAMING_COUNT; naming++) {
        why = (Error){.arena = arena};
        if (try_naming(from, to, arena, naming, made, &fits, &why))
            return true;
        if (why.kind == ERROR_NOMEM)
            return error_nomem(err);
        if (why.kind != ERROR_NONE)
            first = why;
    }
    if (err)
        *err = first;
    return error_wrap(err, "in the form of %s", to->convention->title);
}

/* ---- comparing ------------------------------------------------------------------------------------------------------ */

typedef struct Side {
    ScriptCursor cursor;
    SqlSplitOptions split;
    Hash hash;
    uint64_t statements;
} Side;

static void side_close(Side *side)
{
    script_close(&side->cursor);
}

/* The next statement, with what COPY brings along, in the digest of all. With is_split not the semicolons within. */
static bool side_read(Side *side, bool marks_ends, Error *err)
{
    for (;;) {
        SqlStatement statement = {0};
        bool has = false;
        Str piece;
        if (!script_next(&side->cursor, &statement, &has, err))
            return false;
        if (!has)
            return true;
        side->statements++;
        SqlLexer lexer = sql_lexer(statement.text, &side->split);
        SqlToken token;
        while (sql_lexer_next(&lexer, &token)) {
            if (!marks_ends && str_eq(token.text, STR(";")))
                continue;
            hash_add(&side->hash, token.text);
            hash_add(&side->hash, STR("\n"));
        }
        if (marks_ends)
            hash_add(&side->hash, STR(";\n"));
        while (statement.has_copy_data) {
            if (!sql_splitter_copy_data(side->cursor.splitter, &piece, err))
                return false;
            if (piece.len == 0)
                break;
            hash_add(&side->hash, piece);
        }
    }
}

static bool digest_script(const MigrationSet *set, const Script *script, bool marks_ends,
                          unsigned char digest[HASH_MAX_BYTES], uint64_t *ret_statements,
                          Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    scoped(Side, side_close) side = {.split = set->script_options.split};
    if (!scratch)
        return error_nomem(err);
    hash_begin(&side.hash, HASH_SHA256);
    if (!script_open(scratch, script, &side.split, &side.cursor, err) ||
        !side_read(&side, marks_ends, err))
        return false;
    hash_end(&side.hash, digest);
    *ret_statements = side.statements;
    return true;
}

static bool differs(const Draft *draft, const Script *script, const char *title, Error *err)
{
    error_set(err, ERROR_UNSUPPORTED, "%s would hold other statements in the form of %s",
              script->path, title);
    error_code(err, "not-convertible");
    error_at(err, str_from(script->path), 0, 0);
    (void)draft;
    return error_hint(err, "Look for comments in it that are markers to %s.", title);
}

static bool compare_script(const MigrationSet *old, Conversion *made, const Draft *draft,
                           const Script *one, Script *other, const ConventionContext *to,
                           Arena *arena, Error *err)
{
    unsigned char before[HASH_MAX_BYTES] = {0}, after[HASH_MAX_BYTES] = {0};
    uint64_t count = 0, count_after = 0;
    const size_t len = 32;
    const char *title = to->convention->title;
    if (!script_read_parts(arena, other, &made->set.script_options, err) ||
        !digest_script(old, one, true, before, &count, err) ||
        !digest_script(&made->set, other, true, after, &count_after, err))
        return error_wrap(err, "in the form of %s", title);
    if (count != count_after || memcmp(before, after, len) != 0) {
        uint64_t ignored;
        if (!digest_script(old, one, false, before, &ignored, err) ||
            !digest_script(&made->set, other, false, after, &ignored, err))
            return false;
        if (memcmp(before, after, len) != 0)
            return differs(draft, one, title, err);
        if (!say(arena, &made->notes,
                 str_format(arena, "%s: %llu statement%s become%s %llu, as SQL's own rules have it",
                            one->path, (unsigned long long)count, count == 1 ? "" : "s",
                            count == 1 ? "s" : "", (unsigned long long)count_after),
                 err))
            return false;
    }
    if (one->head->no_transaction != other->head->no_transaction &&
        !say(arena, &made->losses,
             str_format(arena, "%s runs %s a transaction in %s", one->path,
                        other->head->no_transaction ? "outside of" : "in", title),
             err))
        return false;
    return true;
}

static bool compare(const MigrationSet *old, const ConventionContext *to, Arena *arena,
                    Conversion *made, Error *err)
{
    for (size_t i = 0; i < made->drafts.len; i++) {
        const Draft *draft = &made->drafts.items[i];
        const Migration *source = draft->source, *target = draft->made;
        if (!compare_script(old, made, draft, source->up, target->up, to, arena, err))
            return false;
        Script *old_down, *new_down;
        if (!migration_down(old, source, &old_down) ||
            !migration_down(&made->set, target, &new_down))
            return error_nomem(err);
        if (old_down && new_down &&
            !compare_script(old, made, draft, old_down, new_down, to, arena, err))
            return false;
        if (source->up->statements == 0 && !(to->convention->features & CONVENTION_EMPTY) &&
            !say(arena, &made->notes,
                 str_format(arena, "%s holds no statement, which stops a migration in %s",
                            source->up->path, to->convention->title),
                 err))
            return false;
    }
    return true;
}

static bool tell_of_downs(const ConventionContext *to, Arena *arena, Conversion *made, Error *err)
{
    for (size_t i = 0; i < made->drafts.len; i++) {
        const Draft *draft = &made->drafts.items[i];
        const char *label = label_of(arena, draft->source);
        if (!label)
            return error_nomem(err);
        if (draft->source->reruns != draft->made->reruns &&
            !say(arena, &made->losses,
                 str_format(arena, "%s runs %s in %s", label,
                            draft->made->reruns == RERUNS_NEVER ? "but once" : "again",
                            to->convention->title),
                 err))
            return false;
        if (migration_has_down(draft->source) && !migration_has_down(draft->made) &&
            !say(arena, &made->losses,
                 str_format(arena, "the down of %s stays behind: %s has none", label,
                            to->convention->title),
                 err))
            return false;
    }
    return true;
}

static bool tell_of_rest(const MigrationSet *set, const ConventionContext *to, Arena *arena,
                         Conversion *made, Error *err)
{
    const char *title = to->convention->title;
    return (set->hooks.len == 0 ||
            say(arena, &made->losses,
                str_format(arena, "%zu %s stay%s behind", set->hooks.len,
                           set->hooks.len == 1 ? "hook" : "hooks", set->hooks.len == 1 ? "s" : ""),
                err)) &&
           (set->seeds.len == 0 ||
            say(arena, &made->losses,
                str_format(arena, "%zu %s of seeds stay%s behind: %s has none here", set->seeds.len,
                           set->seeds.len == 1 ? "file" : "files", set->seeds.len == 1 ? "s" : "",
                           title),
                err)) &&
           (!made->is_renumbered ||
            say(arena, &made->notes,
                str_format(
                    arena,
                    "%s cannot hold these versions as they are: they become numbers, and the "
                    "head of each file says what it was called",
                    title),
                err));
}

bool conversion_make(const ConventionContext *from, MigrationSet *set, ConventionContext *to,
                     Arena *arena, Conversion *ret_conversion, Error *err)
{
    Conversion *made = ret_conversion;
    *made = (Conversion){0};
    if (!to->convention->draft_files) {
        error_set(err, ERROR_UNSUPPORTED,
                  "files in the form of %s cannot be written: its migrations are programs",
                  to->convention->title);
        error_code(err, "not-convertible");
        return error_hint(err, "What a program would do with plain SQL is for its authors to say. "
                               "Keep the SQL in one of the conventions that hold it: 'whimbrel "
                               "conventions' lists them.");
    }
    for (size_t i = 0; i < set->migrations.len; i++)
        if (!add_draft(from, to, arena, set, &set->migrations.items[i], made, err))
            return false;
    if (from->convention->draft_losses &&
        !from->convention->draft_losses(from, set, arena, &made->losses, err))
        return false;
    return name_all(from, to, arena, made, err) && compare(set, to, arena, made, err) &&
           tell_of_downs(to, arena, made, err) && tell_of_rest(set, to, arena, made, err);
}

/* ---- what writers share ------------------------------------------------------------------------------------------- */

bool draft_file(Arena *arena, TreeFileVec *files, const char *path, StrBuf *text, Error *err)
{
    TreeFile file = {.path = str_from(path)};
    return (path && strbuf_finish(text, &file.bytes) && vec_push(arena, files, file)) ||
           error_nomem(err);
}

void draft_add_head(StrBuf *out, const Draft *draft)
{
    if (draft->origin_tool.len == 0 || str_eq(draft->origin_version, draft->version))
        return;
    strbuf_adds(out, origin_mark);
    strbuf_add(out, draft->origin_tool);
    strbuf_adds(out, ": ");
    strbuf_add(out, draft->origin_version);
    if (draft->origin_name.len > 0) {
        strbuf_adds(out, "\t");
        strbuf_add(out, draft->origin_name);
    }
    strbuf_adds(out, "\n");
}

void draft_add_alone(StrBuf *out, const DraftScript *script)
{
    if (script->no_transaction && str_find(script->sql, STR(alone_mark), 0) == SIZE_MAX) {
        strbuf_adds(out, alone_mark);
        strbuf_adds(out, "\n");
    }
}

bool draft_plain(Arena *arena, TreeFileVec *files, const char *path, const Draft *draft,
                 bool is_down, const char *head, Error *err)
{
    StrBuf text = strbuf(arena);
    const DraftScript *script = is_down ? &draft->down : &draft->up;
    if (head)
        strbuf_adds(&text, head);
    else
        draft_add_alone(&text, script);
    if (!is_down)
        draft_add_head(&text, draft);
    strbuf_add(&text, script->sql);
    return draft_file(arena, files, path, &text, err);
}

const char *draft_number(Arena *arena, const Draft *draft, int width)
{
    Str version = draft->version;
    const char *text = NULL;
    if (version.len < (size_t)width && peer_digits(version).len == version.len)
        text = str_format(arena, "%0*d%.*s", width - (int)version.len, 0, STR_ARG(version));
    else
        text = str_z(arena, version);
    return text ? text : "";
}

const char *draft_id(Arena *arena, const Draft *draft, const char *between)
{
    if (peer_digits(draft->version).len < draft->version.len)
        return str_z(arena, draft->version);
    return str_format(arena, "%.*s%s%.*s", STR_ARG(draft->version), between, STR_ARG(draft->name));
}

bool draft_pairs(Arena *arena, const DraftVec *drafts, int width, const char *lone,
                 const char *alone, TreeFileVec *files, Error *err)
{
    for (size_t i = 0; i < drafts->len; i++) {
        const Draft *draft = &drafts->items[i];
        const char *number = draft_number(arena, draft, width);
        if (draft->kind == MIGRATION_REPEATABLE)
            continue;
        for (int is_down = 0; is_down < (draft->has_down ? 2 : 1); is_down++) {
            const DraftScript *script = is_down ? &draft->down : &draft->up;
            const char *head = !alone ? NULL : script->no_transaction ? alone : "";
            const char *ending = !draft->has_down ? lone : is_down ? ".down.sql" : ".up.sql";
            if (!draft_plain(arena, files,
                             str_format(arena, "%s_%.*s%s", number, STR_ARG(draft->name), ending),
                             draft, is_down, head, err))
                return false;
        }
    }
    return true;
}

/* A tool that cuts at semicolons at the ends of lines would cut these. */
static bool needs_block(const SqlStatement *statement, const DraftScript *script)
{
    for (size_t i = 0; i < script->whole.len; i++)
        if (statement->offset >= script->whole.items[i].from &&
            statement->offset < script->whole.items[i].to)
            return true;
    return str_find_char(statement->text, ';', 0) != SIZE_MAX;
}

static bool add_section(StrBuf *out, const ConventionContext *ctx, const DraftScript *script,
                        const char *begin, const char *end, Error *err)
{
    SqlStatementVec statements = {0};
    SqlSplitOptions split = {
        .dialect = ctx->dialect, .whole = script->whole.items, .whole_count = script->whole.len};
    size_t at = 0;
    if (begin && !sql_split(out->arena, &split, script->sql, &statements, err))
        return false;
    for (size_t i = 0; i < statements.len; i++) {
        const SqlStatement *statement = &statements.items[i];
        if (statement->has_copy_data || !needs_block(statement, script))
            continue;
        strbuf_add(out, str_sub(script->sql, at, (size_t)statement->offset));
        if (out->len > 0 && out->ptr[out->len - 1] != '\n')
            strbuf_adds(out, "\n");
        strbuf_addf(out, "%s\n", begin);
        strbuf_add(out, statement->text);
        strbuf_addf(out, ";\n%s\n", end);
        at = (size_t)statement->end_offset;
        /* The block has it, too. */
        while (at < script->sql.len && strchr("; \t\r", script->sql.ptr[at]))
            at++;
        if (at < script->sql.len && script->sql.ptr[at] == '\n')
            at++;
    }
    strbuf_add(out, str_sub(script->sql, at, script->sql.len));
    return true;
}

bool draft_sections(const ConventionContext *ctx, Arena *arena, TreeFileVec *files,
                    const char *path, const Draft *draft, const DraftMarkers *markers, Error *err)
{
    StrBuf text = strbuf(arena);
    const char *begin = markers->block_begin, *end = markers->block_end;
    bool up_alone = draft->up.no_transaction;
    bool down_alone = draft->has_down && draft->down.no_transaction;
    if (markers->first_alone && (up_alone || down_alone))
        strbuf_addf(&text, "%s\n", markers->first_alone);
    const char *alone = up_alone && markers->alone ? markers->alone : "";
    if (markers->up[0] || alone[0])
        strbuf_addf(&text, "%s%s\n", markers->up, alone);
    bool has_mark = markers->alone || markers->first_alone;
    if (!has_mark)
        draft_add_alone(&text, &draft->up);
    draft_add_head(&text, draft);
    if (!add_section(&text, ctx, &draft->up, begin, end, err))
        return false;
    if (draft->has_down) {
        strbuf_addf(&text, "\n%s%s\n", markers->down,
                    down_alone && markers->alone ? markers->alone : "");
        if (!has_mark)
            draft_add_alone(&text, &draft->down);
        if (!add_section(&text, ctx, &draft->down, begin, end, err))
            return false;
    }
    return draft_file(arena, files, path, &text, err);
}
