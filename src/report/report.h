/* The door of report/: how results, errors and events look, as text for people and as JSON. Everything is written into
 * buffers of the caller's: nothing is printed here. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_REPORT_REPORT_H
#define WHIMBREL_REPORT_REPORT_H

#include "base/base.h"
#include "migration/migration.h"
#include "plan/plan.h"
#include "run/run.h"
#include "sql/sql.h"

/* ---- text for people -------------------------------------------------------------------------------------------- */

typedef struct TextLook {
    bool has_color;   /* escape sequences are understood and wanted */
    bool is_unicode;  /* else our own signs are ASCII */
    unsigned columns; /* of the terminal; 0: unknown */
} TextLook;

/* A buffer in which only text_style() can put an escape sequence: what servers and files say goes through text_add(),
 * which makes control characters, bytes that are not UTF-8 and the characters that turn the writing direction visible
 * ("\x1b", "\u202e"). Failures stick in buf. */
typedef struct Text {
    StrBuf buf;
    TextLook look;
    void (*write)(void *ctx,
                  Str text); /* takes away what has come together; NULL: all stays in buf */
    void *write_ctx;
} Text;

typedef enum TextStyle {
    STYLE_PLAIN,
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_RED,
    STYLE_GREEN,
    STYLE_YELLOW,
    STYLE_CYAN,
} TextStyle;

Text text_new(Arena *arena, TextLook look);
void text_add(Text *text, Str s);      /* line feeds and tabs stay */
void text_add_line(Text *text, Str s); /* they become visible too: for table cells and the like */
void text_adds(Text *text, const char *s);
void text_addf(Text *text, const char *fmt, ...) PRINTF_LIKE(2, 3);
void text_pad(Text *text, size_t columns); /* spaces */
void text_style(Text *text, TextStyle style);
void text_styled(Text *text, TextStyle style, Str s); /* s in a style, then plain again */
void text_dot(Text *text);                            /* " · " or " - " */
const char *text_ellipsis(const Text *text);
Str text_str(const Text *text);
/* Between the lines of something long: gives away what has come together, once that is worth it. */
void text_give(Text *text);
/* How many columns text_add_line() will take for s. */
size_t text_width(Str s);

/* A table: columns as wide as their widest cell, two spaces between them, nothing after the last. */
typedef struct TableCell {
    Str text;
    TextStyle style;
    bool is_right; /* aligned to the right */
} TableCell;
typedef struct Table {
    Arena *arena;
    size_t columns;
    Vec(TableCell) cells; /* row by row */
    size_t *widths;       /* of the columns, as far as rows were measured */
    bool has_failed;
} Table;
Table table_new(Arena *arena, size_t columns);
void table_add(Table *table, Str text, TextStyle style);
void table_add_right(Table *table, Str text, TextStyle style);
/* Prints the rows and forgets them. A failure sticks in text. */
void table_print(Text *text, Table *table, size_t indent);
/* A long table is added twice, a few rows at a time: first all rows are measured, and forgotten, then they are printed. */
void table_measure(Table *table);

/* ---- errors ----------------------------------------------------------------------------------------------------- */

/* "error: ...", the place, the line with a caret, the server's hint; then what holds now and what to do next, from
 * result if there is one (it may be NULL). */
void report_error(Text *text, const Error *err, const RunResult *result);
/* The line of the file and the caret under it alone: " 14 | UPDATE ..." and "    |        ^^^^^^". */
void report_excerpt(Text *text, Str line, uint32_t line_number, uint32_t column, uint32_t width);
/* cli.md's error object, or null when err is NULL or says that there is none. */
void report_error_json(JsonWriter *w, const Error *err, const RunResult *result);
/* Notes and warnings of a plan, one after the other. */
void report_problem(Text *text, const Problem *problem, const char *word);
void report_problem_json(JsonWriter *w, const Problem *problem);

/* ---- results ---------------------------------------------------------------------------------------------------- */

/* What the head of a report says about where it comes from. */
typedef struct ReportPlace {
    const char *engine, *engine_title, *version, *database, *place;
    const char *convention, *environment; /* environment may be NULL or "" */
} ReportPlace;
void report_place(Text *text, const ReportPlace *place);
/* "whimbrel" and "database", as every document begins with. */
void report_place_json(JsonWriter *w, const ReportPlace *place);

void report_status(Text *text, const ReportPlace *place, const Overview *overview,
                   bool only_pending);
void report_status_json(JsonWriter *w, const ReportPlace *place, const Overview *overview,
                        bool only_pending);

/* The statements of one step, for showing: made by whoever may read files. */
typedef struct ReportStatement {
    uint32_t index, line; /* both from 1 */
    Str summary;
    const char *word; /* "create-index" and the like; may be NULL */
} ReportStatement;
typedef Vec(ReportStatement) ReportStatementVec;
typedef struct ReportSteps {
    ReportStatementVec *items; /* one vector a step of the plan */
    size_t limit;              /* statements shown a segment; 0: all */
} ReportSteps;
void report_plan(Text *text, const ReportPlace *place, const Plan *plan, const ReportSteps *steps);
void report_plan_json(JsonWriter *w, const ReportPlace *place, const Plan *plan,
                      const ReportSteps *steps, const char *digest);

/* "3 applied in 1m57s, run 8. The database is at 20250411100000, up to date." */
void report_result(Text *text, const RunResult *result, bool is_fake);
/* cli.md's document of migrate and rollback. result may be NULL when nothing is known. */
void report_result_json(JsonWriter *w, const RunResult *result, const Error *err);

/* ---- events ----------------------------------------------------------------------------------------------------- */

typedef enum ProgressMode {
    PROGRESS_NONE,
    PROGRESS_PLAIN,
    PROGRESS_BAR,
    PROGRESS_JSON
} ProgressMode;

/* Turns events into lines. write gets whole lines, or, with PROGRESS_BAR, the sequence that redraws the live line. */
typedef struct Progress {
    ProgressMode mode;
    TextLook look;
    bool is_verbose, is_quiet;
    void (*write)(void *ctx, Str text);
    void *ctx;
    /* How wide the terminal is now; 0: not known. NULL: as look says. */
    unsigned (*measure)(void *ctx);
    /* private */
    Arena *arena; /* the live line's texts; reset with every step */
    Arena *scratch;
    int64_t begun_us, drawn_us;
    bool is_live;
    Str label, doing, phase;
    size_t step, total, statement, statements;
    int64_t statement_us; /* when the running statement began; 0: not known */
    /* the last EVENT_PROGRESS of it, without its texts; kind tells whether there is one */
    Event work;
    int64_t work_us; /* when that came */
    /* PROGRESS_PLAIN: a statement that has run for so long is told of again */
    int64_t next_line_us;
    int64_t waited_us,
        next_wait_us;     /* for the migration lock: at the last event; at the next line of it */
    char told_holder[32]; /* who had it in the last line */
} Progress;
bool progress_init(Progress *progress, ProgressMode mode, TextLook look,
                   void (*write)(void *ctx, Str text), void *ctx);
void progress_done(Progress *progress); /* takes a zeroed one */
EventSink progress_sink(Progress *progress);
/* Draws the live line again so that its clock goes on; cheap when it is not time yet. */
void progress_tick(Progress *progress);
/* Takes the live line away, before something else is written to the terminal. */
void progress_clear(Progress *progress);

#endif
