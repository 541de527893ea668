/* What a run came to. SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

void report_result(Text *text, const RunResult *result, bool is_fake)
{
    char took[DURATION_TEXT];
    size_t up = result->applied.len, down = result->rolled_back.len;
    const char *suffix = result->state == OVERALL_UP_TO_DATE ? ", up to date" : "";
    if (up + down == 0) {
        text_adds(text, "Nothing to do: ");
    } else {
        if (down > 0)
            text_addf(text, "%zu %s", down, is_fake ? "recorded as not applied" : "rolled back");
        if (up > 0)
            text_addf(text, "%s%zu %s", down > 0 ? ", " : "", up,
                      is_fake ? "recorded as applied" : "applied");
        text_addf(text, " in %s", duration_human(result->duration_us, took));
        if (result->is_dry_run)
            text_adds(text, ", and all of it was undone: this was a dry run. ");
        else if (result->run > 0)
            text_addf(text, ", run %lld. ", (long long)result->run);
        else
            text_adds(text, ". ");
    }
    text_adds(text, up + down == 0 ? "the database is " : "The database is ");
    if (result->current.len > 0) {
        text_adds(text, "at ");
        text_styled(text, STYLE_BOLD, result->current);
    } else {
        text_adds(text, "before the first migration");
    }
    text_addf(text, "%s.\n", result->is_dry_run ? " as before" : suffix);
}

static void items_json(JsonWriter *w, const RunItemVec *items)
{
    json_begin_array(w);
    for (size_t i = 0; items && i < items->len; i++) {
        const RunItem *item = &items->items[i];
        json_str(w, item->version.len > 0 ? item->version : item->name);
    }
    json_end_array(w);
}

void report_result_json(JsonWriter *w, const RunResult *result, const Error *err)
{
    json_begin_object(w);
    json_key_text(w, "whimbrel", WHIMBREL_VERSION);
    bool is_known = result && (result->run > 0 || !err || result->holds.len > 0);
    json_key_text(w, "state", is_known ? overall_state_name(result->state) : NULL);
    json_key(w, "current");
    if (is_known && result->current.len > 0)
        json_str(w, result->current);
    else
        json_null_value(w);
    json_key(w, "run");
    if (result && result->run > 0)
        json_int(w, result->run);
    else
        json_null_value(w);
    json_key(w, "applied");
    items_json(w, result ? &result->applied : NULL);
    json_key(w, "rolled_back");
    items_json(w, result ? &result->rolled_back : NULL);
    json_key_double(w, "duration_ms", result ? (double)result->duration_us / 1000.0 : 0);
    json_key_bool(w, "dry_run", result && result->is_dry_run);
    json_key(w, "error");
    report_error_json(w, err, result);
    if (result && err) {
        json_key(w, "holds");
        json_begin_array(w);
        for (size_t i = 0; i < result->holds.len; i++)
            json_str(w, result->holds.items[i]);
        json_end_array(w);
        json_key(w, "next");
        json_begin_array(w);
        for (size_t i = 0; i < result->next.len; i += 2) {
            json_begin_object(w);
            json_key_str(w, "command", result->next.items[i]);
            json_key_str(w, "why", i + 1 < result->next.len ? result->next.items[i + 1] : (Str){0});
            json_end_object(w);
        }
        json_end_array(w);
    }
    json_end_object(w);
}
