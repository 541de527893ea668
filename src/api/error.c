/* Errors as they leave the library. SPDX-License-Identifier: Apache-2.0 */
#include "api/handle.h"

typedef struct ErrorBox {
    WhimbrelError error; /* first: it is what the program has a pointer to */
    Arena *arena;
} ErrorBox;

/* Telling that memory is out must not need any. */
static const WhimbrelError out_of_memory = {
    .size = sizeof(WhimbrelError),
    .status = WHIMBREL_NOMEM,
    .kind = "memory",
    .message = "out of memory",
    .sqlstate = "",
};

static WhimbrelStatus status_of(ErrorKind kind)
{
    switch (kind) {
    case ERROR_NONE:
        return WHIMBREL_OK;
    case ERROR_NOMEM:
        return WHIMBREL_NOMEM;
    case ERROR_USAGE:
        return WHIMBREL_USAGE;
    case ERROR_IO:
        return WHIMBREL_IO;
    case ERROR_PARSE:
        return WHIMBREL_PARSE;
    case ERROR_CONNECT:
        return WHIMBREL_CONNECT;
    case ERROR_SQL:
        return WHIMBREL_SQL;
    case ERROR_TIMEOUT:
        return WHIMBREL_TIMEOUT;
    case ERROR_LOCKED:
        return WHIMBREL_LOCKED;
    case ERROR_CANCELLED:
        return WHIMBREL_CANCELLED;
    case ERROR_STATE:
        return WHIMBREL_STATE;
    case ERROR_CHECK:
        return WHIMBREL_CHECK;
    case ERROR_UNSUPPORTED:
        return WHIMBREL_UNSUPPORTED;
    }
    return WHIMBREL_STATE;
}

const char *whimbrel_status_name(WhimbrelStatus status)
{
    /* The program may pass what a newer library returned. */
    for (int kind = ERROR_NONE; kind <= ERROR_UNSUPPORTED; kind++)
        if (status_of((ErrorKind)kind) == status)
            return status == WHIMBREL_OK ? "ok" : error_kind_name((ErrorKind)kind);
    return "unknown";
}

void error_fill(const Error *err, const char *migration, WhimbrelError *ret_error)
{
    *ret_error = (WhimbrelError){
        .size = sizeof *ret_error,
        .status = status_of(err->kind),
        .kind = error_kind_name(err->kind),
        .code = err->code,
        .message = err->message ? err->message : "",
        .detail = err->detail,
        .hint = err->hint,
        .file = err->pos.file,
        .line = err->pos.line,
        .column = err->pos.column,
        .excerpt = err->excerpt,
        .excerpt_column = err->excerpt_column ? err->excerpt_column : err->pos.column,
        .migration = migration,
        .statement = err->statement,
        .sqlstate = err->sqlstate,
        .server_code = err->server_code,
        .server_hint = err->server_hint,
    };
}

const char *z(Arena *arena, Str text, bool *has_failed)
{
    const char *copy = str_z(arena, text);
    if (!copy)
        *has_failed = true;
    return copy;
}

const char *z_or_null(Arena *arena, Str text, bool *has_failed)
{
    return text.len > 0 ? z(arena, text, has_failed) : NULL;
}

static void copy(Arena *arena, const char **text, bool *has_failed)
{
    if (*text)
        *text = z(arena, str_from(*text), has_failed);
}

WhimbrelStatus error_report(const Error *err, const char *migration, WhimbrelError **ret_error)
{
    if (!ret_error)
        return status_of(err->kind);
    Arena *arena = err->kind == ERROR_NOMEM ? NULL : arena_new();
    ErrorBox *box = arena ? arena_alloc(arena, sizeof *box) : NULL;
    bool has_failed = !box;
    if (box) {
        WhimbrelError *error = &box->error;
        error_fill(err, migration, error);
        box->arena = arena;
        copy(arena, &error->message, &has_failed);
        copy(arena, &error->detail, &has_failed);
        copy(arena, &error->hint, &has_failed);
        copy(arena, &error->file, &has_failed);
        copy(arena, &error->excerpt, &has_failed);
        copy(arena, &error->migration, &has_failed);
        copy(arena, &error->statement, &has_failed);
        copy(arena, &error->sqlstate, &has_failed);
        copy(arena, &error->server_hint, &has_failed);
    }
    if (has_failed) {
        arena_free(arena);
        *ret_error = (WhimbrelError *)(uintptr_t)&out_of_memory;
        /* What the call itself ran into is still the better answer. */
        return status_of(err->kind);
    }
    *ret_error = &box->error;
    return status_of(err->kind);
}

void whimbrel_error_free(WhimbrelError *error)
{
    if (error && error != &out_of_memory)
        arena_free(((ErrorBox *)(void *)error)->arena);
}
