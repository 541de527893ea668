/* New changes of Sqitch's: their scripts, as its templates have them, and their line in sqitch.plan, as it writes one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "convention/sqitch.h"

/* ---- the plan's line ---------------------------------------------------------------------------------------- */

static void add_note(StrBuf *plan, Str note)
{
    strbuf_adds(plan, " # ");
    for (size_t i = 0; i < note.len; i++) {
        char c = note.ptr[i];
        if (c == '\n' || c == '\r' || c == '\\')
            strbuf_adds(plan, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\\\");
        else
            strbuf_add_char(plan, c);
    }
}

void sqitch_add_line(StrBuf *plan, const SqitchChange *change)
{
    const SqitchMark *mark = &change->mark;
    strbuf_add(plan, mark->name);
    for (size_t i = 0; i < change->deps.len; i++) {
        const SqitchDep *dep = &change->deps.items[i];
        strbuf_addf(plan, "%s%s%.*s", i == 0 ? " [" : " ", dep->is_conflict ? "!" : "",
                    STR_ARG(dep->text));
    }
    strbuf_addf(plan, "%s %.*s %.*s <%.*s>", change->deps.len > 0 ? "]" : "", STR_ARG(mark->date),
                STR_ARG(mark->planner), STR_ARG(mark->email));
    if (mark->note.len > 0)
        add_note(plan, mark->note);
    strbuf_adds(plan, "\n");
}

static bool add_deps(Arena *arena, const StrVec *given, bool is_conflict, SqitchChange *change)
{
    for (size_t i = 0; i < given->len; i++) {
        SqitchDep dep = {.is_conflict = is_conflict, .text = given->items[i]};
        if (!vec_push(arena, &change->deps, dep))
            return false;
    }
    return true;
}

/* The plan's text with the line behind it, and a blank one where a tag stands last. */
static bool append(const ConventionContext *ctx, Arena *arena, Str plan, Str *ret_text, Error *err)
{
    const SqitchSettings *settings = ctx->own;
    const NewListing *listing = ctx->listing;
    char iso[TIMESTAMP_TEXT];
    Line line = {0};
    bool is_tag = false;
    timestamp_iso(listing->now, iso);
    const char *date = str_format(arena, "%.*sZ", 19, iso);
    SqitchChange change = {.mark = {.name = listing->name,
                                    .note = listing->note,
                                    .planner = settings->user,
                                    .email = settings->email,
                                    .date = str_from(date)}};
    if (!date || !add_deps(arena, &listing->requires, false, &change) ||
        !add_deps(arena, &listing->conflicts, true, &change))
        return error_nomem(err);
    while (line_next(plan, &line)) {
        Str text = str_trim(line.text);
        if (text.len > 0 && text.ptr[0] != '#')
            is_tag = text.ptr[0] == '@';
    }
    StrBuf out = strbuf(arena);
    strbuf_add(&out, plan);
    if (plan.len > 0 && plan.ptr[plan.len - 1] != '\n')
        strbuf_adds(&out, "\n");
    const SqitchPlan *read = ctx->set->own;
    /* Behind the pragmas there must be a blank line. */
    bool has_blank = str_ends(strbuf_str(&out), STR("\n\n"));
    if ((is_tag || (read && read->changes.len == 0)) && !has_blank)
        strbuf_adds(&out, "\n");
    sqitch_add_line(&out, &change);
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

bool sqitch_new_listed(const ConventionContext *ctx, Arena *arena, const MigrationSet *set,
                       const char **ret_path, Str *ret_text, Error *err)
{
    const SqitchSettings *settings = ctx->own;
    SqitchPlan plan;
    Str text;
    (void)set;
    *ret_path = settings->plan_path;
    return peer_read(ctx, arena, settings->plan_path, &text, err) &&
           append(ctx, arena, text, ret_text, err) &&
           /* What Sqitch would not read (a dependency that is not there) is not written. */
           sqitch_plan_read(ctx, arena, settings->plan_path, *ret_text, &plan, err);
}

/* ---- the scripts ---------------------------------------------------------------------------------------------- */

/* From the project's folder of migrations, below which new files are named. */
static const char *below(const ConventionContext *ctx, Arena *arena, const char *folder, Str name,
                         Str extension)
{
    Str top = ctx->folders.items[0], path = str_from(folder);
    if (str_eq(top, STR(".")))
        top.len = 0;
    while (str_starts(path, STR("./")))
        path = str_sub(path, 2, path.len);
    while (str_starts(top, STR("./")))
        top = str_sub(top, 2, top.len);
    while (top.len > 1 && top.ptr[top.len - 1] == '/')
        top.len--;
    StrBuf out = strbuf(arena);
    Str made;
    if (top.len > 0 && str_starts(path, top) && path.len > top.len && path.ptr[top.len] == '/') {
        path = str_sub(path, top.len + 1, path.len);
    } else if (path.len > 0 && path.ptr[0] != '/') {
        for (size_t i = 0; i < top.len; i++)
            if (i == 0 || top.ptr[i] == '/')
                strbuf_adds(&out, "../");
    }
    strbuf_addf(&out, "%.*s/%.*s.%.*s", STR_ARG(path), STR_ARG(name), STR_ARG(extension));
    return strbuf_finish(&out, &made) ? made.ptr : NULL;
}

static bool is_planned(const ConventionContext *ctx, const MigrationSet *set, Str name, Error *err)
{
    const SqitchSettings *settings = ctx->own;
    const SqitchPlan *plan = set->own;
    for (size_t i = 0; plan && i < plan->changes.len; i++) {
        if (!str_eq(plan->changes.items[i].mark.name, name))
            continue;
        error_set(err, ERROR_STATE, "%.*s is in %s already", STR_ARG(name), settings->plan_path);
        error_code(err, "duplicate-version");
        error_at(err, str_from(settings->plan_path), plan->changes.items[i].line, 1);
        error_hint(err, "`sqitch rework %.*s` makes another of it, behind a tag.", STR_ARG(name));
        return true;
    }
    return false;
}

bool sqitch_new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    const SqitchSettings *settings = ctx->own;
    const char *const folders[] = {settings->deploy, settings->revert, settings->verify};
    (void)is_numbered;
    (void)now;
    if (new_kind == NEW_REPEATABLE || new_kind == NEW_FOLDER)
        return peer_lacks_kind(ctx->convention, new_kind, err);
    if (is_planned(ctx, set, name, err))
        return false;
    if (!sqitch_is_name(name)) {
        error_set(err, ERROR_USAGE, "Sqitch can have no change of the name %.*s", STR_ARG(name));
        return error_code(err, "bad-name");
    }
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        const char *path = below(ctx, arena, folders[i], name, settings->extension);
        if (!path || !vec_push(arena, ret_paths, str_from(path)))
            return error_nomem(err);
        if (new_kind == NEW_SQL_ONLY)
            break;
    }
    return true;
}

bool sqitch_new_text(const ConventionContext *ctx, Arena *arena, const StrVec *paths, size_t index,
                     Str text, Str *ret_text, Error *err)
{
    static const char *const words[] = {"Deploy", "Revert", "Verify"},
                             *const prepositions[] = {"to", "from", "on"},
                             *const tasks[] = {"", "",
                                               "-- What is not there makes this fail: SELECT its "
                                               "columns, divide by its count.\n"},
                             *const ends[] = {"COMMIT", "COMMIT", "ROLLBACK"};
    const SqitchPlan *plan = ctx->set ? ctx->set->own : NULL;
    const SqitchSettings *settings = ctx->own;
    StrBuf out = strbuf(arena);
    (void)paths;
    strbuf_addf(&out, "-- %s %.*s:%.*s %s %.*s\n", words[index],
                STR_ARG(plan ? plan->project : (Str){0}), STR_ARG(ctx->listing->name),
                prepositions[index], STR_ARG(settings->engine));
    for (size_t i = 0; index == 0 && i < ctx->listing->requires.len; i++)
        strbuf_addf(&out, "-- requires: %.*s\n", STR_ARG(ctx->listing->requires.items[i]));
    for (size_t i = 0; index == 0 && i < ctx->listing->conflicts.len; i++)
        strbuf_addf(&out, "-- conflicts: %.*s\n", STR_ARG(ctx->listing->conflicts.items[i]));
    strbuf_adds(&out, "\nBEGIN;\n\n");
    if (index == 2)
        strbuf_adds(&out, tasks[index]);
    else
        strbuf_add(&out, str_trim(text));
    strbuf_addf(&out, "%s\n%s;\n", index == 2 ? "" : "\n", ends[index]);
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}
