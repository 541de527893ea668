/* Plans kept in a file, and plans shown. SPDX-License-Identifier: Apache-2.0
 *
 * A saved plan does not hold SQL to be run: it holds the request and a digest of files and history. migrate --plan makes
 * the plan anew and refuses when the digest differs, so that what runs is what was looked at. */
#include "cli/saved_plan.h"

#include <jansson.h>

enum { SUMMARY_BYTES = 100, SHOWN_STATEMENTS = 20 };
static const uint64_t saved_limit_bytes = 256 * 1024 * 1024;

static bool add_statements(Cli *cli, const PlanStep *step, ReportStatementVec *statements,
                           Error *err)
{
    if (!step->script || step->segments.len == 0)
        return true;
    SqlSplitOptions split = cli->set.script_options.split;
    split.file = step->script->path;
    scoped(ScriptCursor, script_close) cursor = {0};
    if (!script_open(cli->arena, step->script, &split, &cursor, err))
        return false;
    const Segment *last = &step->segments.items[step->segments.len - 1];
    for (;;) {
        SqlStatement statement;
        bool has = false;
        uint32_t index = cursor.next;
        if (!script_next(&cursor, &statement, &has, err))
            return false;
        if (!has || index >= last->first + last->count)
            return true;
        ReportStatement shown = {.index = index + 1, .line = statement.line};
        if (!sql_summary(cli->arena, statement.text, &split, SUMMARY_BYTES, &shown.summary) ||
            !vec_push(cli->arena, statements, shown))
            return error_nomem(err);
    }
}

bool plan_statements(Cli *cli, const Plan *plan, ReportSteps *ret_steps, Error *err)
{
    ReportSteps steps = {.items =
                             arena_alloc(cli->arena, (plan->steps.len + 1) * sizeof *steps.items),
                         .limit = cli->settings->verbose ? 0 : SHOWN_STATEMENTS};
    if (!steps.items)
        return error_nomem(err);
    for (size_t i = 0; i < plan->steps.len; i++)
        if (!add_statements(cli, &plan->steps.items[i], &steps.items[i], err))
            return false;
    *ret_steps = steps;
    return true;
}

bool plan_print(Cli *cli, Plan *plan, const History *history, bool is_document, Error *err)
{
    ReportSteps steps;
    if (!run_fill_stored(&cli->runner, cli->arena, plan, err) ||
        !plan_statements(cli, plan, &steps, err))
        return false;
    ReportPlace place = cli_place(cli);
    if (is_document) {
        const char *digest = run_plan_digest(cli->arena, plan, history);
        CliJson json;
        if (!digest)
            return error_nomem(err);
        cli_json_begin(cli, &json);
        report_plan_json(&json.w, &place, plan, &steps, digest);
        return cli_json_end(cli, &json, err);
    }
    Text text = cli_text(cli);
    report_plan(&text, &place, plan, &steps);
    return cli_print(cli, &text, err);
}

static const char *const verb_names[] = {"migrate", "rollback", "goto", "redo", "sync", "resume"};

bool saved_plan_write(Cli *cli, const char *path, const Plan *plan, const ReportSteps *steps,
                      const char *digest, Error *err)
{
    StrBuf buf = strbuf(cli->arena);
    JsonWriter w = {.out = &buf, .indent = 2};
    ReportPlace place = cli_place(cli);
    const PlanRequest *request = &plan->request;
    json_begin_object(&w);
    json_key_int(&w, "whimbrel_plan", 1);
    json_key_text(&w, "digest", digest);
    json_key(&w, "request");
    json_begin_object(&w);
    json_key_text(&w, "verb", verb_names[request->verb]);
    json_key_str(&w, "to", request->to);
    json_key_int(&w, "steps", request->steps);
    json_key_bool(&w, "all", request->is_all);
    json_key_bool(&w, "last_run", request->is_last_run);
    json_key_int(&w, "phase", cli->runner.policy.phase);
    json_key_bool(&w, "single_transaction", cli->runner.policy.is_single_transaction);
    json_key_bool(&w, "out_of_order", cli->runner.policy.allows_out_of_order);
    json_key_bool(&w, "ignore_missing", cli->runner.policy.allows_missing);
    json_end_object(&w);
    json_key(&w, "plan");
    report_plan_json(&w, &place, plan, steps, digest);
    json_end_object(&w);
    if (!json_finish(&w, err))
        return false;
    /* It shows statements, in which there may be anything. */
    return file_write(cli->arena, path, strbuf_str(&buf), 0600, err);
}

static bool read_request(Cli *cli, const json_t *root, SavedPlan *saved)
{
    const json_t *request = json_object_get(root, "request");
    const char *digest = json_string_value(json_object_get(root, "digest"));
    const char *verb = json_string_value(json_object_get(request, "verb"));
    const char *to = json_string_value(json_object_get(request, "to"));
    if (json_integer_value(json_object_get(root, "whimbrel_plan")) != 1 || !digest || !verb || !to)
        return false;
    bool is_known = false;
    for (size_t i = 0; i < sizeof verb_names / sizeof *verb_names; i++) {
        if (!str_eq(str_from(verb), str_from(verb_names[i])))
            continue;
        saved->request.verb = (PlanVerb)i;
        is_known = true;
    }
    json_int_t phase = json_integer_value(json_object_get(request, "phase"));
    json_int_t steps = json_integer_value(json_object_get(request, "steps"));
    if (!is_known || phase < PHASE_NONE || phase > PHASE_CONTRACT || steps < 0 ||
        steps > UINT32_MAX)
        return false;
    saved->phase = (Phase)phase;
    saved->request.steps = (uint32_t)steps;
    saved->request.resume_from = -1;
    saved->request.is_all = json_is_true(json_object_get(request, "all"));
    saved->request.is_last_run = json_is_true(json_object_get(request, "last_run"));
    saved->is_single_transaction = json_is_true(json_object_get(request, "single_transaction"));
    saved->allows_out_of_order = json_is_true(json_object_get(request, "out_of_order"));
    saved->allows_missing = json_is_true(json_object_get(request, "ignore_missing"));
    saved->digest = str_z(cli->arena, str_from(digest));
    return saved->digest && str_copy(cli->arena, str_from(to), &saved->request.to);
}

static bool read_file(Cli *cli, const char *path, SavedPlan *ret_saved, Error *err)
{
    Str text;
    json_error_t why;
    if (!file_read(cli->arena, path, saved_limit_bytes, &text, err)) {
        if (err->kind != ERROR_NOMEM)
            err->kind = ERROR_USAGE;
        return false;
    }
    json_t *root = json_loadb(text.ptr, text.len, 0, &why);
    SavedPlan saved = {0};
    bool is_ok = root && read_request(cli, root, &saved);
    if (!is_ok) {
        error_set(err, ERROR_USAGE, "%s is not a plan that 'whimbrel plan --save' wrote", path);
        if (!root)
            error_detail(err, "%s", why.text);
        error_code(err, "bad-plan-file");
    }
    json_decref(root);
    if (is_ok)
        *ret_saved = saved;
    return is_ok;
}

bool saved_plan_read(Cli *cli, Str path, PlanVerb verb, SavedPlan *ret_saved, Error *err)
{
    const char *other = verb == PLAN_MIGRATE ? "rollback" : "migrate";
    const char *file = str_z(cli->arena, path);
    if (!file)
        return error_nomem(err);
    if (!read_file(cli, file, ret_saved, err))
        return false;
    if (ret_saved->request.verb == verb)
        return true;
    error_set(err, ERROR_USAGE, "%s is the plan of a %s: whimbrel %s --plan %s", file, other, other,
              file);
    return error_code(err, "bad-plan-file");
}

static bool show_instead(Cli *cli, const PlanRequest *request, Error *err)
{
    History history;
    Plan plan;
    if (!run_plan(&cli->runner, cli->arena, request, &history, &plan, err))
        return false;
    if (plan.stops)
        return plan_error(&plan, err);
    return plan_print(cli, &plan, &history, cli->is_json, err);
}

bool run_or_show(Cli *cli, const PlanRequest *request, bool is_dry_run, Error *err)
{
    if (is_dry_run && !db_has(cli->db, DB_TRANSACTIONAL_DDL)) {
        cli_note(cli, "%s cannot undo DDL, so this is the plan, and nothing was run",
                 cli->db->info.engine_title);
        return show_instead(cli, request, err);
    }
    cli->runner.settings.is_dry_run = is_dry_run;
    bool is_ok = run_execute(&cli->runner, cli->arena, request, NULL, &cli->result, err);
    if (!is_ok && is_dry_run && err->kind == ERROR_UNSUPPORTED) {
        cli_note(cli, "%s; so this is the plan, and nothing was run", err->message);
        error_clear(err);
        return show_instead(cli, request, err);
    }
    return cli_finish_run(cli, is_ok, request->is_fake, err);
}
