/* Errors as data. SPDX-License-Identifier: Apache-2.0
 *
 * Making an error must not fail: where memory for a text is out, a shorter text or the bare format takes its place. */
#include "base/base.h"

#include <errno.h>
#include <string.h>

static char *formatted(Error *err, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));

static char *formatted(Error *err, const char *fmt, va_list args)
{
    if (!err->arena)
        return NULL;
    StrBuf text = strbuf(err->arena);
    strbuf_addv(&text, fmt, args);
    Str whole;
    return strbuf_finish(&text, &whole) ? text.ptr : NULL;
}

bool(error_set)(Error *err, ErrorKind kind, const char *fmt, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, fmt);
    const char *message = formatted(err, fmt, args);
    va_end(args);
    if (!message)
        message = strcmp(fmt, "%s") == 0 ? "(there is no memory for the message)" : fmt;
    *err = (Error){.arena = err->arena, .kind = kind, .message = message};
    return false;
}

bool(error_wrap)(Error *err, const char *fmt, ...)
{
    if (!err || err->kind == ERROR_NONE || !err->arena)
        return false;
    va_list args;
    StrBuf text = strbuf(err->arena);
    va_start(args, fmt);
    strbuf_addv(&text, fmt, args);
    va_end(args);
    strbuf_add(&text, STR(": "));
    strbuf_adds(&text, err->message);
    Str whole;
    if (strbuf_finish(&text, &whole))
        err->message = text.ptr;
    return false;
}

bool(error_nomem)(Error *err)
{
    if (err)
        *err = (Error){.arena = err->arena, .kind = ERROR_NOMEM, .message = "out of memory"};
    return false;
}

/* The next step where the reason alone tells it; NULL elsewhere. */
static const char *errno_hint(int errnum)
{
    switch (errnum) {
    case EACCES:
    case EPERM:
        return "Check the permissions, those of the folders above it too, and who runs this.";
    case ENOSPC:
    case EDQUOT:
        return "Make room there, then run the command again.";
    case EROFS:
        return "The file system there is mounted read-only.";
    case EMFILE:
    case ENFILE:
        return "Allow more open files: ulimit -n.";
    case ENAMETOOLONG:
        return "Give it a shorter name.";
    }
    return NULL;
}

bool(error_errno)(Error *err, int errnum, const char *fmt, ...)
{
    if (!err)
        return false;
    /* Static text, and the same in every locale. */
    const char *reason = strerrordesc_np(errnum);
    if (!reason)
        reason = "unknown error";
    va_list args;
    va_start(args, fmt);
    const char *message = formatted(err, fmt, args);
    va_end(args);
    ErrorKind kind = errnum == ENOMEM ? ERROR_NOMEM : ERROR_IO;
    *err =
        (Error){.arena = err->arena, .kind = kind, .message = reason, .hint = errno_hint(errnum)};
    return message ? error_wrap(err, "%s", message) : false;
}

bool(error_code)(Error *err, const char *code)
{
    if (err)
        err->code = code;
    return false;
}

bool(error_hint)(Error *err, const char *fmt, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, fmt);
    err->hint = formatted(err, fmt, args);
    va_end(args);
    return false;
}

bool(error_detail)(Error *err, const char *fmt, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, fmt);
    err->detail = formatted(err, fmt, args);
    va_end(args);
    return false;
}

bool(error_at)(Error *err, Str file, uint32_t line, uint32_t column)
{
    if (!err)
        return false;
    const char *name = file.len > 0 && err->arena ? str_z(err->arena, file) : NULL;
    err->pos = (SourcePos){.file = name, .line = line, .column = column};
    return false;
}

void error_clear(Error *err)
{
    if (err)
        *err = (Error){.arena = err->arena};
}

const char *error_kind_name(ErrorKind kind)
{
    switch (kind) {
    case ERROR_NONE:
        return "none";
    case ERROR_NOMEM:
        return "memory";
    case ERROR_USAGE:
        return "usage";
    case ERROR_IO:
        return "io";
    case ERROR_PARSE:
        return "parse";
    case ERROR_CONNECT:
        return "connect";
    case ERROR_SQL:
        return "sql";
    case ERROR_TIMEOUT:
        return "timeout";
    case ERROR_LOCKED:
        return "locked";
    case ERROR_CANCELLED:
        return "cancelled";
    case ERROR_STATE:
        return "state";
    case ERROR_CHECK:
        return "check";
    case ERROR_UNSUPPORTED:
        return "unsupported";
    }
    return "unknown";
}
