/* Opening, adopting, closing, cancelling. SPDX-License-Identifier: Apache-2.0
 *
 * The handle keeps a copy of the options and what follows from them once; the migrations are looked at anew in each call,
 * since folders change. */
#include "api/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- cancelling ------------------------------------------------------------------------------------------ */

static bool is_requested(void *ctx)
{
    Whimbrel *whimbrel = ctx;
    if (atomic_load(&whimbrel->is_cancelled))
        return true;
    const WhimbrelOptions *options = &whimbrel->options;
    return options->is_cancelled && options->is_cancelled(options->context);
}

void whimbrel_cancel(Whimbrel *whimbrel)
{
    if (!whimbrel)
        return;
    int saved = errno;
    atomic_store(&whimbrel->is_cancelled, true);
    /* A full pipe wakes as well as one more byte would. */
    ssize_t written = write(whimbrel->wake[1], "", 1);
    (void)written;
    errno = saved;
}

void whimbrel_cancel_clear(Whimbrel *whimbrel)
{
    char rest[64];
    if (!whimbrel)
        return;
    atomic_store(&whimbrel->is_cancelled, false);
    while (read(whimbrel->wake[0], rest, sizeof rest) > 0)
        ;
}

/* ---- options --------------------------------------------------------------------------------------------- */

/* Copies what the program's header knew; what it did not know is zero. What only a newer one knows must be zero. */
static bool take_options(const WhimbrelOptions *given, WhimbrelOptions *ret_options, Error *err)
{
    WhimbrelOptions options = {0};
    if (given) {
        size_t size = given->size, known = size < sizeof options ? size : sizeof options;
        if (size < offsetof(WhimbrelOptions, flags) + sizeof options.flags) {
            error_set(err, ERROR_USAGE, "the size of WhimbrelOptions is not set");
            error_hint(err, "Call whimbrel_options_init() first.");
            return error_code(err, "bad-argument");
        }
        for (size_t i = sizeof options; i < size; i++)
            if (((const char *)given)[i] != 0) {
                error_set(err, ERROR_USAGE, "the options ask for what libwhimbrel %s does not know",
                          whimbrel_version());
                return error_code(err, "bad-argument");
            }
        memcpy(&options, given, known);
    }
    options.size = sizeof options;
    *ret_options = options;
    return true;
}

static bool copy_text(Arena *arena, const char **text)
{
    return !*text || (*text = str_z(arena, str_from(*text)));
}

static bool bad_argument(Error *err, const char *message)
{
    error_set(err, ERROR_USAGE, "%s", message);
    return error_code(err, "bad-argument");
}

static bool check_options(const WhimbrelOptions *options, Error *err)
{
    const unsigned known =
        WHIMBREL_READ_ONLY | WHIMBREL_MUST_EXIST | WHIMBREL_OUT_OF_ORDER | WHIMBREL_ALLOW_MISSING;
    if (options->flags & ~known)
        return bad_argument(err, "unknown flags in WhimbrelOptions");
    if (options->folders && options->embedded)
        return bad_argument(err, "migrations come from folders or are embedded, not both");
    if (options->embedded && options->embedded->size < offsetof(WhimbrelEmbedded, digest))
        return bad_argument(err, "the size of WhimbrelEmbedded is not set");
    if (options->folders && !options->folders[0])
        return bad_argument(err, "the list of folders is empty");
    if (options->connect_timeout_ms < 0 || options->statement_timeout_ms < 0 ||
        options->lock_wait_ms < WHIMBREL_AT_ONCE || options->table_lock_ms < WHIMBREL_FOREVER ||
        (options->reconnect_ms < 0 && options->reconnect_ms != WHIMBREL_AT_ONCE))
        return bad_argument(err, "a time in WhimbrelOptions is negative");
    return true;
}

static bool take_placeholders(Whimbrel *whimbrel, Error *err)
{
    for (const char *const *pair = whimbrel->options.placeholders; pair && *pair; pair++) {
        SqlPlaceholder placeholder;
        Str copy;
        if (!str_copy(whimbrel->arena, str_from(*pair), &copy))
            return error_nomem(err);
        placeholder.value = str_cut(copy, '=', &placeholder.name);
        if (placeholder.name.len == 0 || placeholder.name.len == copy.len)
            return bad_argument(err, "a placeholder is not KEY=VALUE");
        if (!vec_push(whimbrel->arena, &whimbrel->placeholders, placeholder))
            return error_nomem(err);
    }
    return true;
}

/* ---- the convention -------------------------------------------------------------------------------------- */

/* For the history: who it was. */
static Str os_user(Arena *arena)
{
    struct passwd entry, *found = NULL;
    size_t size = 16384;
    char *buf = arena_alloc(arena, size);
    if (buf && getpwuid_r(geteuid(), &entry, buf, size, &found) == 0 && found)
        return str_from(found->pw_name);
    return str_from(str_format(arena, "%lu", (unsigned long)geteuid()));
}

static Str os_host(Arena *arena)
{
    char name[256] = "";
    Str copy = {0};
    if (gethostname(name, sizeof name - 1) != 0 || !str_copy(arena, str_from(name), &copy))
        return (Str){0};
    return copy;
}

static bool take_folders(Whimbrel *whimbrel, Error *err)
{
    ConventionContext *context = &whimbrel->context;
    const WhimbrelEmbedded *embedded = whimbrel->options.embedded;
    static const char *const usual[] = {"migrations", NULL}, *const top[] = {".", NULL};
    const char *const *folders = embedded                    ? top
                                 : whimbrel->options.folders ? whimbrel->options.folders
                                                             : usual;
    for (; *folders; folders++) {
        Str copy;
        if (!str_copy(whimbrel->arena, str_from(*folders), &copy) ||
            !vec_push(whimbrel->arena, &context->folders, copy))
            return error_nomem(err);
    }
    if (!embedded)
        return true;
    TreeFile *files = arena_alloc(whimbrel->arena, embedded->count * sizeof *files);
    if (!files)
        return error_nomem(err);
    for (size_t i = 0; i < embedded->count; i++) {
        const WhimbrelFile *file = &embedded->files[i];
        files[i] = (TreeFile){.path = str_from(file->path), .bytes = {file->data, file->length}};
    }
    context->files = &whimbrel->tree;
    return file_tree_make(whimbrel->arena, files, embedded->count, &whimbrel->tree, err);
}

static bool take_convention(Whimbrel *whimbrel, Error *err)
{
    ConventionContext *context = &whimbrel->context;
    const WhimbrelOptions *options = &whimbrel->options;
    *context = (ConventionContext){
        .dialect = whimbrel->db->driver->dialect,
        .table = str_from(options->table),
        .name_space = str_from(options->name_space),
        .who = options->applied_by ? str_from(options->applied_by) : os_user(whimbrel->arena),
        .host = os_host(whimbrel->arena),
        .program = str_from(options->program),
        .store_limit_bytes = 1000 * 1000,
        .db = whimbrel->db,
    };
    if (!take_folders(whimbrel, err))
        return false;
    const char *name = options->convention ? options->convention : "whimbrel";
    if (strcmp(name, "auto") == 0) {
        if (!convention_recognise(context, whimbrel->db, whimbrel->arena, &context->convention,
                                  NULL, err))
            return false;
    } else {
        context->convention = convention_find(str_from(name));
        if (!context->convention) {
            error_set(err, ERROR_USAGE, "there is no convention '%s'", name);
            return error_code(err, "unknown-convention");
        }
    }
    if (!convention_configure(context, whimbrel->arena, err))
        return false;
    if (context->name_space.len > 0 && !(context->convention->features & CONVENTION_NAMESPACE)) {
        error_set(err, ERROR_USAGE, "the convention %s has no namespaces",
                  context->convention->name);
        return error_code(err, "bad-setting");
    }
    return true;
}

/* ---- the handle ------------------------------------------------------------------------------------------ */

static const DbDriver *driver_of(WhimbrelEngine engine)
{
    const char *name = engine == WHIMBREL_SQLITE     ? "sqlite"
                       : engine == WHIMBREL_POSTGRES ? "postgres"
                       : engine == WHIMBREL_MYSQL    ? "mysql"
                                                     : "";
    const DbDriver *const *driver = db_drivers();
    while (*driver && strcmp((*driver)->name, name) != 0)
        driver++;
    return *driver;
}

/* The URL with the options' password in it, of which there is then one copy. */
static bool take_url(Whimbrel *whimbrel, const char *text, Error *err)
{
    const char *password = whimbrel->options.password;
    scoped(Arena *, arena_freep) scratch = arena_new_secret();
    DbUrl url;
    if (!scratch)
        return error_nomem(err);
    return db_url_parse(scratch, str_from(text), &url, err) &&
           (!password || db_url_set_password(scratch, &url, str_from(password), err)) &&
           db_url_copy(whimbrel->arena, &url, &whimbrel->url, err);
}

static bool connect_database(Whimbrel *whimbrel, const char *url, WhimbrelEngine engine,
                             void *connection, Error *err)
{
    const WhimbrelOptions *options = &whimbrel->options;
    whimbrel->cancel =
        (DbCancel){.is_requested = is_requested, .ctx = whimbrel, .wake_fd = whimbrel->wake[0]};
    DbOptions db_options = {
        .cancel = &whimbrel->cancel,
        .connect_timeout_ms = options->connect_timeout_ms,
        .is_read_only = (options->flags & WHIMBREL_READ_ONLY) != 0,
        .may_create = !(options->flags & (WHIMBREL_READ_ONLY | WHIMBREL_MUST_EXIST)),
        .application_name = options->program,
        .client_path = options->client_path,
        .notice = deliver_notice,
        .notice_ctx = whimbrel,
    };
    if (!url) {
        const DbDriver *driver = driver_of(engine);
        if (!driver)
            return bad_argument(err, "there is no such engine");
        return db_adopt(driver, connection, &db_options, &whimbrel->db, err);
    }
    if (!take_url(whimbrel, url, err))
        return false;
    bool recognises = options->convention && strcmp(options->convention, "auto") == 0;
    if (recognises && !options->table &&
        !convention_question(whimbrel->url.driver->dialect, whimbrel->arena, &db_options.question,
                             err))
        return false;
    return db_open(&whimbrel->url, &db_options, &whimbrel->db, err);
}

static bool fill(Whimbrel *whimbrel, const WhimbrelOptions *given, const char *url,
                 WhimbrelEngine engine, void *connection, Error *err)
{
    WhimbrelOptions *options = &whimbrel->options;
    Arena *arena = whimbrel->arena;
    if (!take_options(given, options, err) || !check_options(options, err))
        return false;
    if (!options->program)
        options->program = "libwhimbrel " WHIMBREL_VERSION;
    whimbrel->event_arena = arena_new();
    if (!whimbrel->event_arena || !copy_text(arena, &options->convention) ||
        !copy_text(arena, &options->table) || !copy_text(arena, &options->name_space) ||
        !copy_text(arena, &options->environment) || !copy_text(arena, &options->applied_by) ||
        !copy_text(arena, &options->program) || !copy_text(arena, &options->client_path))
        return error_nomem(err);
    if (pipe2(whimbrel->wake, O_CLOEXEC | O_NONBLOCK) != 0) {
        whimbrel->wake[0] = whimbrel->wake[1] = -1;
        return error_errno(err, errno, "cannot make a pipe");
    }
    bool is_ok = take_placeholders(whimbrel, err) &&
                 connect_database(whimbrel, url, engine, connection, err) &&
                 take_convention(whimbrel, err);
    /* The program's lists and its password may go; what was needed of them is copied. */
    options->folders = NULL;
    options->password = NULL;
    return is_ok;
}

static WhimbrelStatus open_handle(const char *url, WhimbrelEngine engine, void *connection,
                                  const WhimbrelOptions *options, Whimbrel **ret_whimbrel,
                                  WhimbrelError **ret_error)
{
    Arena *arena = arena_new_secret();
    Error err = {.arena = arena};
    Whimbrel *whimbrel = arena ? arena_alloc(arena, sizeof *whimbrel) : NULL;
    WhimbrelStatus status = WHIMBREL_OK;
    bool is_ok = false;
    if (ret_error)
        *ret_error = NULL;
    if (ret_whimbrel)
        *ret_whimbrel = NULL;
    if (!whimbrel) {
        error_nomem(&err);
    } else {
        whimbrel->arena = arena;
        whimbrel->wake[0] = whimbrel->wake[1] = -1;
        atomic_init(&whimbrel->is_cancelled, false);
        if (!ret_whimbrel || (!url && !connection))
            bad_argument(&err, "an argument is NULL");
        else
            is_ok = fill(whimbrel, options, url, engine, connection, &err);
    }
    if (is_ok) {
        *ret_whimbrel = whimbrel;
        return WHIMBREL_OK;
    }
    status = error_report(&err, NULL, ret_error);
    if (whimbrel)
        whimbrel_close(whimbrel);
    else
        arena_free(arena);
    return status;
}

WhimbrelStatus whimbrel_open(const char *url, const WhimbrelOptions *options,
                             Whimbrel **ret_whimbrel, WhimbrelError **ret_error)
{
    return open_handle(url, WHIMBREL_SQLITE, NULL, options, ret_whimbrel, ret_error);
}

WhimbrelStatus whimbrel_adopt(WhimbrelEngine engine, void *connection,
                              const WhimbrelOptions *options, Whimbrel **ret_whimbrel,
                              WhimbrelError **ret_error)
{
    return open_handle(NULL, engine, connection, options, ret_whimbrel, ret_error);
}

void whimbrel_close(Whimbrel *whimbrel)
{
    if (!whimbrel)
        return;
    db_close(whimbrel->db);
    for (int i = 0; i < 2; i++)
        if (whimbrel->wake[i] >= 0)
            close(whimbrel->wake[i]);
    arena_free(whimbrel->event_arena);
    arena_free(whimbrel->arena);
}
