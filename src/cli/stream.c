/* Standard output and standard error. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"

/* The locale's character set, without setlocale(): nothing else of the program is to depend on the locale. */
static bool is_utf8_locale(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (!value || !value[0])
            continue;
        Str charset = str_from(value);
        size_t dot = str_find_char(charset, '.', 0);
        if (dot == SIZE_MAX)
            return false;
        charset = str_sub(charset, dot + 1, charset.len);
        return str_starts_nocase(charset, STR("utf-8")) || str_starts_nocase(charset, STR("utf8"));
    }
    return false;
}

void stream_init(Stream *stream, int fd)
{
    *stream = (Stream){.fd = fd, .is_terminal = isatty(fd) == 1};
    stream->look.is_unicode = is_utf8_locale();
    stream_measure(stream);
    stream_set_color(stream, STR("auto"));
}

void stream_measure(Stream *stream)
{
    struct winsize size;
    uint64_t columns = 0;
    if (stream->is_terminal && ioctl(stream->fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        stream->look.columns = size.ws_col;
    else if (getenv("COLUMNS") && str_to_u64(str_from(getenv("COLUMNS")), &columns) &&
             columns < 10000)
        stream->look.columns = (unsigned)columns;
}

void stream_set_color(Stream *stream, Str color)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    bool is_auto = stream->is_terminal && !(none && none[0]) && term && term[0] &&
                   !str_eq(str_from(term), STR("dumb"));
    stream->look.has_color =
        str_eq(color, STR("always")) || (is_auto && !str_eq(color, STR("never")));
}

void stream_write(Stream *stream, Str text)
{
    while (text.len > 0 && stream->failed_errno == 0) {
        ssize_t written = write(stream->fd, text.ptr, text.len);
        if (written >= 0) {
            text = str_sub(text, (size_t)written, text.len);
        } else if (errno == EAGAIN) {
            struct pollfd wait = {.fd = stream->fd, .events = POLLOUT};
            (void)poll(&wait, 1, -1);
        } else if (errno != EINTR) {
            stream->failed_errno = errno;
        }
    }
}
