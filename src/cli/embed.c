/* Migrations as a C source. SPDX-License-Identifier: Apache-2.0
 *
 * The same migrations always make the same bytes. Short files become string literals, so that the source reads and
 * compares like the SQL; the C standard promises no literal beyond 4,095 characters, so longer ones become arrays. */
#include "cli/embed.h"

#include <stdio.h>

enum { LONGEST_LITERAL = 4000, LINE_WIDTH = 100 };

/* One byte inside a literal. Octal escapes have three digits, so that no digit behind them is taken for theirs. */
static void add_escaped(StrBuf *out, unsigned char byte)
{
    switch (byte) {
    case '\n':
        strbuf_adds(out, "\\n");
        break;
    case '\t':
        strbuf_adds(out, "\\t");
        break;
    case '\r':
        strbuf_adds(out, "\\r");
        break;
    case '"':
    case '\\':
    case '?': /* two of them could begin a trigraph */
        strbuf_add_char(out, '\\');
        strbuf_add_char(out, (char)byte);
        break;
    default:
        if (byte >= 0x20 && byte < 0x7f)
            strbuf_add_char(out, (char)byte);
        else
            strbuf_addf(out, "\\%03o", byte);
    }
}

/* A line of the source for each line of the text, cut where it grows too long. */
static void add_literal(StrBuf *out, Str text, const char *indent)
{
    size_t start = out->len;
    strbuf_add_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        add_escaped(out, (unsigned char)text.ptr[i]);
        bool is_line_end = text.ptr[i] == '\n' || out->len - start > LINE_WIDTH;
        if (is_line_end && i + 1 < text.len) {
            strbuf_adds(out, "\"\n");
            start = out->len;
            strbuf_addf(out, "%s\"", indent);
        }
    }
    strbuf_add_char(out, '"');
}

static void add_array(StrBuf *out, Str text, const char *stem, size_t number)
{
    strbuf_addf(out, "static const unsigned char %s_%zu[] = {", stem, number);
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (i == 0 || out->len - start > LINE_WIDTH) {
            strbuf_adds(out, "\n   ");
            start = out->len;
        }
        strbuf_addf(out, " %u,", (unsigned char)text.ptr[i]);
    }
    strbuf_adds(out, "\n};\n\n");
}

bool embed_digest(Arena *arena, const TreeFile *files, size_t count, const char **ret_digest)
{
    Hash hash;
    unsigned char bytes[HASH_MAX_BYTES];
    hash_begin(&hash, HASH_SHA256);
    for (size_t i = 0; i < count; i++) {
        char len[32];
        Str path = files[i].path;
        hash_add(&hash, path);
        int len_len = snprintf(len, sizeof len, "%c%zu%c", 0, files[i].bytes.len, 0);
        hash_add(&hash, (Str){len, (size_t)len_len});
        hash_add(&hash, files[i].bytes);
    }
    const char *hex = hex_encode(arena, bytes, hash_end(&hash, bytes));
    *ret_digest = hex ? str_format(arena, "sha256:%s", hex) : NULL;
    return *ret_digest;
}

bool embed_source(Arena *arena, Str symbol, const TreeFile *files, size_t count, const char *digest,
                  Str *ret_source)
{
    StrBuf out = strbuf(arena);
    /* The symbol is the user's to choose. */
    const char *stem = str_starts(symbol, STR("file")) ? "content" : "file";
    strbuf_adds(&out, "/* Migrations, written by `whimbrel embed`: change those, not this. */\n"
                      "#include <whimbrel/whimbrel.h>\n\n");
    for (size_t i = 0; i < count; i++)
        if (files[i].bytes.len > LONGEST_LITERAL)
            add_array(&out, files[i].bytes, stem, i);
    strbuf_addf(&out, "static const WhimbrelFile %ss[] = {\n", stem);
    for (size_t i = 0; i < count; i++) {
        strbuf_adds(&out, "    {");
        add_literal(&out, files[i].path, "     ");
        strbuf_adds(&out, ",\n     ");
        if (files[i].bytes.len > LONGEST_LITERAL)
            strbuf_addf(&out, "%s_%zu", stem, i);
        else
            add_literal(&out, files[i].bytes, "     ");
        strbuf_addf(&out, ", %zu},\n", files[i].bytes.len);
    }
    /* An array of nothing is no C. */
    if (count == 0)
        strbuf_adds(&out, "    {\"\", \"\", 0},\n");
    strbuf_addf(&out,
                "};\n\n"
                "#ifdef __cplusplus\nextern \"C\" {\n#endif\n"
                "extern const WhimbrelEmbedded %.*s;\n"
                "const WhimbrelEmbedded %.*s = {\n"
                "    sizeof(WhimbrelEmbedded), %ss, %zu,\n"
                "    \"%s\",\n"
                "};\n"
                "#ifdef __cplusplus\n}\n#endif\n",
                STR_ARG(symbol), STR_ARG(symbol), stem, count, digest);
    return strbuf_finish(&out, ret_source);
}
