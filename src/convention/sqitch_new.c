/* Changes written down: new ones and those of another tool's. Their scripts, as its templates have them, and their line in
 * sqitch.plan, as it writes one. SPDX-License-Identifier: Apache-2.0 */
#include "convention/draft.h"
#include "convention/sqitch.h"

#include <string.h>

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

/* The line of a change as Sqitch writes it; note: as it is, deps: "a !b". */
static void add_line(StrBuf *plan, const SqitchChange *change)
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

static const char *date_now(const NewListing *listing, Arena *arena)
{
    char iso[TIMESTAMP_TEXT];
    timestamp_iso(listing->now, iso);
    return str_format(arena, "%.*sZ", 19, iso);
}

/* The change that is named, or the last; NULL, with the error: none. */
static const SqitchChange *change_at(const ConventionContext *ctx, const MigrationSet *set, Str at,
                                     Error *err)
{
    const SqitchSettings *settings = ctx->own;
    const SqitchPlan *plan = set->own;
    size_t count = plan ? plan->changes.len : 0;
    Str version = at;
    if (count == 0) {
        error_set(err, ERROR_STATE, "%s plans nothing that could be tagged", settings->plan_path);
        error_code(err, "nothing-applied");
        error_hint(err, "`whimbrel new NAME` plans a first change.");
        return NULL;
    }
    for (size_t i = count; i-- > 0;) {
        bool is_it = at.len == 0 || str_eq(plan->changes.items[i].version, version);
        if (is_it)
            return &plan->changes.items[i];
        if (i == 0 && str_eq(version, at) && set->place(set, at, &version) && !str_eq(version, at))
            i = count;
    }
    error_set(err, ERROR_USAGE, "%s has no change %.*s", settings->plan_path, STR_ARG(at));
    error_code(err, "unknown-version");
    error_hint(err, "whimbrel status lists them.");
    return NULL;
}

/* The plan's text with the tag behind its change and that one's other tags. */
static bool insert_tag(const ConventionContext *ctx, Arena *arena, const MigrationSet *set,
                       Str plan, Str *ret_text, Error *err)
{
    const SqitchSettings *settings = ctx->own;
    const NewListing *listing = ctx->listing;
    const SqitchChange *change = change_at(ctx, set, listing->at, err);
    if (!change)
        return false;
    Str name = listing->name;
    if (str_starts(name, STR("@")))
        name = str_sub(name, 1, name.len);
    if (!sqitch_is_name(name) || str_find_char(name, '/', 0) != SIZE_MAX) {
        error_set(err, ERROR_USAGE, "Sqitch can have no tag of the name %.*s", STR_ARG(name));
        return error_code(err, "bad-name");
    }
    const char *called = str_format(arena, "@%.*s", STR_ARG(name)),
               *date = date_now(listing, arena);
    if (!called || !date)
        return error_nomem(err);
    const SqitchChange tag = {.mark = {.name = str_from(called),
                                       .note = listing->note,
                                       .planner = settings->user,
                                       .email = settings->email,
                                       .date = str_from(date)}};
    StrBuf out = strbuf(arena);
    Line line = {0};
    while (line_next(plan, &line)) {
        strbuf_add(&out, str_sub(plan, line.from, line.to));
        if (line.number != change->line + change->tags.len)
            continue;
        if (line.to == line.from || plan.ptr[line.to - 1] != '\n')
            strbuf_adds(&out, "\n");
        add_line(&out, &tag);
    }
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

/* The change that is to be reworked, and the tag behind which: the first of the last change that has one. */
static bool find_reworked(const ConventionContext *ctx, const MigrationSet *set, size_t *ret_index,
                          Str *ret_tag, Error *err)
{
    const SqitchSettings *settings = ctx->own;
    const SqitchPlan *plan = set->own;
    Str name = ctx->listing->name;
    size_t found = SIZE_MAX, tagged = SIZE_MAX;
    for (size_t i = 0; plan && i < plan->changes.len; i++) {
        if (str_eq(plan->changes.items[i].mark.name, name))
            found = i;
        if (plan->changes.items[i].tags.len > 0)
            tagged = i;
    }
    if (found == SIZE_MAX) {
        error_set(err, ERROR_USAGE, "%s has no change %.*s", settings->plan_path, STR_ARG(name));
        error_code(err, "unknown-version");
        return error_hint(err, "`whimbrel new %.*s` plans one.", STR_ARG(name));
    }
    if (tagged == SIZE_MAX || tagged < found) {
        error_set(err, ERROR_STATE, "%.*s has no tag behind it", STR_ARG(name));
        error_code(err, "no-tag");
        error_at(err, str_from(settings->plan_path), plan->changes.items[found].line, 1);
        return error_hint(err, "A tag tells the two forms apart: whimbrel tag NAME, and then this "
                               "again. What is deployed nowhere yet is just edited.");
    }
    *ret_index = found;
    *ret_tag = plan->changes.items[tagged].tags.items[0].name;
    return true;
}

/* The plan's text with the line behind it, and a blank one where a tag stands last. */
static bool append(const ConventionContext *ctx, Arena *arena, Str plan, Str *ret_text, Error *err)
{
    const SqitchSettings *settings = ctx->own;
    const NewListing *listing = ctx->listing;
    Line line = {0};
    bool is_tag = false;
    const char *date = date_now(listing, arena);
    SqitchChange change = {.mark = {.name = listing->name,
                                    .note = listing->note,
                                    .planner = settings->user,
                                    .email = settings->email,
                                    .date = str_from(date)}};
    StrVec before = {0};
    size_t index;
    Str tag;
    if (listing->kind == LISTING_REWORK) {
        if (!find_reworked(ctx, ctx->set, &index, &tag, err))
            return false;
        const char *own = str_format(arena, "%.*s@%.*s", STR_ARG(listing->name), STR_ARG(tag));
        if (!own || !vec_push(arena, &before, str_from(own)))
            return error_nomem(err);
    }
    if (!date || !add_deps(arena, &before, false, &change) ||
        !add_deps(arena, &listing->requires, false, &change) ||
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
    is_tag = is_tag && listing->kind == LISTING_NEW; /* Sqitch leaves it out for what is reworked */
    if ((is_tag || (read && read->changes.len == 0)) && !has_blank)
        strbuf_adds(&out, "\n");
    add_line(&out, &change);
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

bool sqitch_new_listed(const ConventionContext *ctx, Arena *arena, const MigrationSet *set,
                       const char **ret_path, Str *ret_text, Error *err)
{
    const SqitchSettings *settings = ctx->own;
    SqitchPlan plan;
    Str text;
    *ret_path = settings->plan_path;
    return peer_read(ctx, arena, settings->plan_path, &text, err) &&
           (ctx->listing->kind == LISTING_TAG ? insert_tag(ctx, arena, set, text, ret_text, err)
                                              : append(ctx, arena, text, ret_text, err)) &&
           /* What Sqitch would not read (a dependency that is not there) is not written. */
           sqitch_plan_read(ctx, arena, settings->plan_path, *ret_text, &plan, err);
}

/* ---- a change in a new form ------------------------------------------------------------------------------------ */

static bool add_file(Arena *arena, TreeFileVec *files, const char *path, Str text, Error *err)
{
    TreeFile file = {.path = str_from(path), .bytes = text};
    return (path && vec_push(arena, files, file)) || error_nomem(err);
}

/* The scripts as they were stay under the tag's name; the way back from the new form is the old one, deployed again. */
bool sqitch_rework_files(const ConventionContext *ctx, Arena *arena, const MigrationSet *set,
                         TreeFileVec *ret_files, Error *err)
{
    const SqitchSettings *settings = ctx->own;
    const char *const from[] = {settings->deploy, settings->revert, settings->verify},
                      *const to[] = {settings->reworked_deploy, settings->reworked_revert,
                                     settings->reworked_verify};
    Str name = ctx->listing->name, tag, deploy = {0};
    size_t index;
    if (!find_reworked(ctx, set, &index, &tag, err))
        return false;
    for (size_t i = 0; i < 3; i++) {
        const char *old = str_format(arena, "%s/%.*s.%.*s", from[i], STR_ARG(name),
                                     STR_ARG(settings->extension)),
                   *kept = str_format(arena, "%s/%.*s@%.*s.%.*s", to[i], STR_ARG(name),
                                      STR_ARG(tag), STR_ARG(settings->extension));
        FileInfo info;
        Str text;
        if (!old || !kept)
            return error_nomem(err);
        if (!file_tree_info(ctx->files, old, &info, err))
            return false;
        if (info.kind != FILE_REGULAR)
            continue;
        if (!peer_read(ctx, arena, old, &text, err) || !add_file(arena, ret_files, kept, text, err))
            return false;
        deploy = i == 0 ? text : deploy;
    }
    const char *back = str_format(arena, "%s/%.*s.%.*s", settings->revert, STR_ARG(name),
                                  STR_ARG(settings->extension));
    return add_file(arena, ret_files, back, deploy, err);
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

/* ---- another tool's migrations as changes ------------------------------------------------------------------------ */

static bool is_part(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           ((unsigned char)c & 0x80);
}

/* Of letters, digits and '_' at both ends. */
static bool name_of(Arena *arena, const Draft *draft, Str *ret_name, Error *err)
{
    const char *id = draft_id(arena, draft, "_");
    Str name = str_from(id);
    while (name.len > 0 && !is_part(name.ptr[name.len - 1]))
        name.len--;
    while (name.len > 0 && !is_part(name.ptr[0]))
        name = str_sub(name, 1, name.len);
    *ret_name = name;
    return id || error_nomem(err);
}

/* The time that a version is, to the second; else the beginning of time, so that writing it again comes to the same. */
static bool date_of(Arena *arena, Str version, Str *ret_date, Error *err)
{
    static const char form[] = "YYYY-MM-DDTHH:MM:SSZ";
    Str digits = peer_digits(version);
    char text[sizeof form];
    Timestamp time;
    size_t at = 0;
    *ret_date = STR("1970-01-01T00:00:00Z");
    if (digits.len != 14)
        return true;
    for (size_t i = 0; i < sizeof form; i++)
        text[i] = form[i] != '\0' && strchr("-T:Z", form[i]) ? form[i]
                  : form[i] == '\0'                          ? '\0'
                                                             : digits.ptr[at++];
    return !timestamp_parse((Str){text, sizeof form - 1}, &time) ||
           str_copy(arena, (Str){text, sizeof form - 1}, ret_date) || error_nomem(err);
}

/* Sqitch's client says every statement by itself: the transaction is the script's own. */
static bool add_script(const ConventionContext *ctx, Arena *arena, TreeFileVec *files, Str project,
                       Str name, const Draft *draft, bool is_down, Error *err)
{
    const SqitchSettings *settings = ctx->own;
    const DraftScript *script = is_down ? &draft->down : &draft->up;
    StrBuf text = strbuf(arena);
    const char *path = str_format(arena, "%s/%.*s.%.*s", is_down ? "revert" : "deploy",
                                  STR_ARG(name), STR_ARG(settings->extension));
    strbuf_addf(&text, "-- %s %.*s:%.*s %s %.*s\n", is_down ? "Revert" : "Deploy", STR_ARG(project),
                STR_ARG(name), is_down ? "from" : "to", STR_ARG(settings->engine));
    draft_add_alone(&text, script);
    if (!is_down)
        draft_add_head(&text, draft);
    strbuf_addf(&text, "\n%s", script->no_transaction ? "" : "BEGIN;\n\n");
    strbuf_add(&text, script->sql);
    strbuf_adds(&text, script->no_transaction ? "" : "\nCOMMIT;\n");
    return draft_file(arena, files, path, &text, err);
}

bool sqitch_draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    const SqitchSettings *settings = ctx->own;
    Str project = path_base(ctx->folders.items[0]);
    StrBuf plan = strbuf(arena), conf = strbuf(arena);
    if (!sqitch_is_name(project))
        project = STR("migrations");
    strbuf_addf(&plan, "%%syntax-version=1.0.0\n%%project=%.*s\n\n", STR_ARG(project));
    for (size_t i = 0; i < drafts->len; i++) {
        const Draft *draft = &drafts->items[i];
        SqitchChange change = {.mark = {.planner = settings->user, .email = settings->email}};
        if (!name_of(arena, draft, &change.mark.name, err) ||
            !date_of(arena, draft->version, &change.mark.date, err) ||
            !add_script(ctx, arena, ret_files, project, change.mark.name, draft, false, err) ||
            (draft->has_down &&
             !add_script(ctx, arena, ret_files, project, change.mark.name, draft, true, err)))
            return false;
        change.mark.note = draft->name;
        add_line(&plan, &change);
    }
    strbuf_addf(&conf, "[core]\n\tengine = %.*s\n", STR_ARG(settings->engine));
    if (!str_eq(settings->registry, STR("sqitch")))
        strbuf_addf(&conf, "\tregistry = %.*s\n", STR_ARG(settings->registry));
    return draft_file(arena, ret_files, "sqitch.plan", &plan, err) &&
           draft_file(arena, ret_files, "sqitch.conf", &conf, err);
}

bool sqitch_draft_losses(const ConventionContext *ctx, const MigrationSet *set, Arena *arena,
                         StrVec *losses, Error *err)
{
    const SqitchPlan *plan = set->own;
    size_t tags = 0, deps = 0, tests = 0;
    const char *sentences[4] = {0};
    for (size_t i = 0; plan && i < plan->changes.len; i++) {
        const SqitchChange *change = &plan->changes.items[i];
        Script *script = NULL;
        tags += change->tags.len;
        deps += change->deps.len;
        if (i < set->migrations.len &&
            !sqitch_verify_script(ctx, arena, &set->migrations.items[i], &script, err))
            return false;
        tests += script != NULL;
    }
    sentences[0] = "the plan's dates, planners and notes stay behind, and with them the ids of its "
                   "changes";
    if (tags > 0)
        sentences[1] = str_format(arena, "%zu tag%s stay%s behind", tags, tags == 1 ? "" : "s",
                                  tags == 1 ? "s" : "");
    if (deps > 0)
        sentences[2] = str_format(arena, "%zu dependenc%s between changes stay%s behind", deps,
                                  deps == 1 ? "y" : "ies", deps == 1 ? "s" : "");
    if (tests > 0)
        sentences[3] = str_format(arena, "%zu verify script%s stay%s behind", tests,
                                  tests == 1 ? "" : "s", tests == 1 ? "s" : "");
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        bool is_wanted = i == 0 || (i == 1 ? tags : i == 2 ? deps : tests) > 0;
        if (is_wanted && (!sentences[i] || !vec_push(arena, losses, str_from(sentences[i]))))
            return error_nomem(err);
    }
    return true;
}
