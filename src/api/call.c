/* One call after another: status, require, plan, validate, and what runs. SPDX-License-Identifier: Apache-2.0
 *
 * The rules are those of plan/ and run/, which the command line calls as well; here arguments are checked and results
 * turned into what leaves the library. */
#include "api/handle.h"

#include <stdio.h>
#include <string.h>

/* What programs that are hooks get besides the database's URL. */
static const char *const hook_environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};

static int64_t or_default(int64_t given, int64_t fallback)
{
    return given == 0 ? fallback : given == WHIMBREL_AT_ONCE ? 0 : given;
}

static void fill_runner(Call *call)
{
    Whimbrel *whimbrel = call->whimbrel;
    const WhimbrelOptions *options = &whimbrel->options;
    int64_t table_lock_ms = or_default(options->table_lock_ms, 3000);
    call->runner = (Runner){
        .db = whimbrel->db,
        .url = whimbrel->url.driver ? &whimbrel->url : NULL,
        .convention = &call->context,
        .set = &call->set,
        .policy = run_policy(whimbrel->db, &call->context),
        .settings =
            {
                .lock_wait_ms = or_default(options->lock_wait_ms, 60000),
                .timeouts = {.lock_ms = table_lock_ms == WHIMBREL_FOREVER ? 0 : table_lock_ms,
                             .statement_ms = options->statement_timeout_ms},
                .lock_retries = options->table_lock_retries ? options->table_lock_retries : 10,
                .retry_pause_ms = 500,
                .reconnect_ms = or_default(options->reconnect_ms, 30000),
                .has_placeholders = options->placeholders != NULL,
                .placeholders = whimbrel->placeholders,
                .environment = str_from(options->environment),
                .cancel = &whimbrel->cancel,
                .hook_environment = hook_environment,
            },
        .sink = {.emit = deliver_event, .ctx = whimbrel},
    };
    if (options->flags & WHIMBREL_OUT_OF_ORDER)
        call->runner.policy.allows_out_of_order = true;
    if (options->flags & WHIMBREL_ALLOW_MISSING)
        call->runner.policy.allows_missing = true;
}

/* Scans the migrations and fills call. Whatever it returns, call_end() follows. */
static bool call_begin(Call *call, Whimbrel *whimbrel)
{
    Arena *arena = arena_new();
    *call = (Call){.whimbrel = whimbrel, .arena = arena, .err = {.arena = arena}};
    Error *err = &call->err;
    if (!arena)
        return error_nomem(err);
    if (!whimbrel) {
        error_set(err, ERROR_USAGE, "the handle is NULL");
        return error_code(err, "bad-argument");
    }
    if (whimbrel->db->is_broken) {
        error_set(err, ERROR_CONNECT, "the connection was lost");
        error_hint(err, "Close the handle and open another.");
        return error_code(err, "connection-lost");
    }
    call->context = whimbrel->context;
    if (!whimbrel->context.convention->scan(&call->context, arena, &call->set, err))
        return false;
    call->context.set = &call->set;
    fill_runner(call);
    return true;
}

/* Frees what was not handed out (call->arena, if not NULL), reports call->err if is_ok is false, and returns the status.
 * migration: the version that failed; may be NULL. */
static WhimbrelStatus call_end(Call *call, bool is_ok, const char *migration,
                               WhimbrelError **ret_error)
{
    WhimbrelStatus status = WHIMBREL_OK;
    if (ret_error)
        *ret_error = NULL;
    if (!is_ok) {
        status = error_report(&call->err, migration, ret_error);
        if (status == WHIMBREL_CANCELLED)
            whimbrel_cancel_clear(call->whimbrel);
    }
    arena_free(call->arena);
    return status;
}

/* ---- looking ------------------------------------------------------------------------------------------------ */

WhimbrelStatus whimbrel_status(Whimbrel *whimbrel, WhimbrelOverview **ret_overview,
                               WhimbrelError **ret_error)
{
    Call call;
    History history = {0};
    Overview overview = {0};
    WhimbrelOverview *out = NULL;
    bool is_ok = call_begin(&call, whimbrel) &&
                 run_overview(&call.runner, call.arena, &history, &overview, &call.err);
    if (is_ok) {
        out = overview_out(call.arena, &call, &overview);
        is_ok = out || error_nomem(&call.err);
    }
    if (ret_overview)
        *ret_overview = out;
    if (out && ret_overview)
        call.arena = NULL; /* it is the overview's now */
    return call_end(&call, is_ok, NULL, ret_error);
}

enum { MOST_NAMED = 10 };

typedef struct Difference {
    const char *code;
    const char *one, *many; /* "%zu" and a noun, for the message */
    const char *hint;
    size_t count;
    StrBuf names;
} Difference;

static void difference_add(Difference *difference, const StateRow *row)
{
    difference->count++;
    if (difference->count > MOST_NAMED)
        return;
    strbuf_adds(&difference->names, difference->count > 1 ? ", " : "");
    strbuf_add(&difference->names, row->version.len > 0 ? row->version : STR("R"));
    if (row->name.len > 0) {
        strbuf_add_char(&difference->names, ' ');
        strbuf_add(&difference->names, row->name);
    }
}

/* The gravest of what differs becomes the error: failed, changed, ahead, pending. */
static bool differences_tell(Difference *differences, size_t count, Error *err)
{
    for (size_t i = 0; i < count; i++) {
        Difference *difference = &differences[i];
        if (difference->count == 0)
            continue;
        error_set(err, ERROR_CHECK, "%zu %s", difference->count,
                  difference->count == 1 ? difference->one : difference->many);
        if (difference->count > MOST_NAMED)
            strbuf_addf(&difference->names, " and %zu more", difference->count - MOST_NAMED);
        Str names;
        if (strbuf_finish(&difference->names, &names))
            error_detail(err, "%.*s", STR_ARG(names));
        error_hint(err, "%s", difference->hint);
        return error_code(err, difference->code);
    }
    return true;
}

static bool require(Call *call, const Overview *overview, Error *err)
{
    enum { FAILED, CHANGED, AHEAD, BEHIND, KINDS };
    Difference differences[KINDS] = {
        [FAILED] = {.code = "failed",
                    .one = "migration failed or stopped half-way",
                    .many = "migrations failed or stopped half-way",
                    .hint = "Mend it, then migrate again."},
        [CHANGED] = {.code = "changed",
                     .one = "applied migration has another content in this program",
                     .many = "applied migrations have another content in this program",
                     .hint = "Find out which of the two is meant: validate shows what differs."},
        [AHEAD] = {.code = "ahead",
                   .one = "applied migration is unknown to this program",
                   .many = "applied migrations are unknown to this program",
                   .hint = "The database is of a newer program than this one: run that."},
        [BEHIND] = {.code = "pending",
                    .one = "migration is pending",
                    .many = "migrations are pending",
                    .hint = "Migrate the database first."},
    };
    for (size_t i = 0; i < KINDS; i++)
        differences[i].names = strbuf(call->arena);
    for (size_t i = 0; i < overview->rows.len; i++) {
        const StateRow *row = &overview->rows.items[i];
        switch (row->state) {
        case STATE_APPLIED:
        case STATE_SKIPPED:
        case STATE_BASELINED:
            break;
        case STATE_FAILED:
        case STATE_PARTIAL:
            difference_add(&differences[FAILED], row);
            break;
        case STATE_CHANGED:
            difference_add(&differences[CHANGED], row);
            break;
        case STATE_MISSING:
            difference_add(&differences[AHEAD], row);
            break;
        case STATE_PENDING:
        case STATE_OUT_OF_ORDER:
        case STATE_OUTDATED:
            difference_add(&differences[BEHIND], row);
            break;
        }
    }
    return differences_tell(differences, KINDS, err);
}

WhimbrelStatus whimbrel_require(Whimbrel *whimbrel, WhimbrelError **ret_error)
{
    Call call;
    History history = {0};
    Overview overview = {0};
    bool is_ok = call_begin(&call, whimbrel) &&
                 run_overview(&call.runner, call.arena, &history, &overview, &call.err) &&
                 require(&call, &overview, &call.err);
    return call_end(&call, is_ok, NULL, ret_error);
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

static bool plan_verb_of(WhimbrelVerb verb, PlanVerb *ret_verb, const char **ret_command)
{
    switch (verb) {
    case WHIMBREL_MIGRATE:
        *ret_verb = PLAN_MIGRATE;
        *ret_command = "migrate";
        return true;
    case WHIMBREL_ROLLBACK:
        *ret_verb = PLAN_ROLLBACK;
        *ret_command = "rollback";
        return true;
    case WHIMBREL_GOTO:
        *ret_verb = PLAN_GOTO;
        *ret_command = "goto";
        return true;
    case WHIMBREL_REDO:
        *ret_verb = PLAN_REDO;
        *ret_command = "redo";
        return true;
    case WHIMBREL_SYNC:
        *ret_verb = PLAN_SYNC;
        *ret_command = "sync";
        return true;
    }
    return false;
}

static bool bad_request(Error *err, const char *message)
{
    error_set(err, ERROR_USAGE, "%s", message);
    return error_code(err, "bad-argument");
}

/* Checks the program's request and puts it where plan/ and run/ look. */
static bool take_request(Call *call, WhimbrelVerb verb, const WhimbrelRequest *given,
                         PlanRequest *ret_request)
{
    const unsigned known = WHIMBREL_ALL | WHIMBREL_LAST_RUN | WHIMBREL_FAKE | WHIMBREL_DRY_RUN |
                           WHIMBREL_SINGLE_TRANSACTION | WHIMBREL_EXPAND | WHIMBREL_CONTRACT;
    Error *err = &call->err;
    WhimbrelRequest request = {0};
    const char *command;
    *ret_request = (PlanRequest){.resume_from = -1};
    if (!plan_verb_of(verb, &ret_request->verb, &command))
        return bad_request(err, "there is no such verb");
    if (given) {
        if (given->size < offsetof(WhimbrelRequest, flags) + sizeof request.flags)
            return bad_request(err, "the size of WhimbrelRequest is not set");
        memcpy(&request, given, given->size < sizeof request ? given->size : sizeof request);
        for (size_t i = sizeof request; i < given->size; i++)
            if (((const char *)given)[i] != 0)
                return bad_request(err, "the request asks for what this libwhimbrel does not know");
    }
    if (request.flags & ~known)
        return bad_request(err, "unknown flags in WhimbrelRequest");
    if ((request.flags & (WHIMBREL_ALL | WHIMBREL_LAST_RUN)) && verb != WHIMBREL_ROLLBACK)
        return bad_request(err, "WHIMBREL_ALL and WHIMBREL_LAST_RUN are for rolling back");
    if ((request.flags & WHIMBREL_EXPAND) && (request.flags & WHIMBREL_CONTRACT))
        return bad_request(err, "a request is for one phase or for all");
    if (verb == WHIMBREL_GOTO && (!request.to || !*request.to))
        return bad_request(err, "goto needs a version");
    ret_request->to = str_from(request.to);
    ret_request->steps = request.steps;
    ret_request->is_all = (request.flags & WHIMBREL_ALL) != 0;
    ret_request->is_last_run = (request.flags & WHIMBREL_LAST_RUN) != 0;
    ret_request->is_fake = (request.flags & WHIMBREL_FAKE) != 0;
    PlanPolicy *policy = &call->runner.policy;
    policy->is_single_transaction |= (request.flags & WHIMBREL_SINGLE_TRANSACTION) != 0;
    policy->is_single_by_habit &= (request.flags & WHIMBREL_SINGLE_TRANSACTION) == 0;
    policy->phase = request.flags & WHIMBREL_EXPAND     ? PHASE_EXPAND
                    : request.flags & WHIMBREL_CONTRACT ? PHASE_CONTRACT
                                                        : PHASE_NONE;
    call->runner.settings.is_dry_run = (request.flags & WHIMBREL_DRY_RUN) != 0;
    call->runner.settings.command = str_from(command);
    return true;
}

static WhimbrelStatus end_with_plan(Call *call, bool is_ok, const Plan *plan, bool has_plan,
                                    WhimbrelPlan **ret_plan, WhimbrelError **ret_error)
{
    WhimbrelPlan *out = NULL;
    if (has_plan && ret_plan) {
        out = plan_out(call->arena, plan);
        if (!out)
            is_ok = error_nomem(&call->err);
    }
    if (ret_plan)
        *ret_plan = out;
    if (out)
        call->arena = NULL; /* it is the plan's now */
    return call_end(call, is_ok, NULL, ret_error);
}

WhimbrelStatus whimbrel_plan(Whimbrel *whimbrel, WhimbrelVerb verb, const WhimbrelRequest *request,
                             WhimbrelPlan **ret_plan, WhimbrelError **ret_error)
{
    Call call;
    PlanRequest wanted;
    History history = {0};
    Plan plan = {0};
    bool is_ok = call_begin(&call, whimbrel) && take_request(&call, verb, request, &wanted) &&
                 run_plan(&call.runner, call.arena, &wanted, &history, &plan, &call.err) &&
                 run_fill_stored(&call.runner, call.arena, &plan, &call.err);
    return end_with_plan(&call, is_ok, &plan, is_ok, ret_plan, ret_error);
}

WhimbrelStatus whimbrel_validate(Whimbrel *whimbrel, WhimbrelPlan **ret_plan,
                                 WhimbrelError **ret_error)
{
    Call call;
    const PlanRequest wanted = {.verb = PLAN_MIGRATE, .resume_from = -1};
    History history = {0};
    Plan plan = {0};
    bool has_plan = call_begin(&call, whimbrel) &&
                    run_plan(&call.runner, call.arena, &wanted, &history, &plan, &call.err);
    bool is_ok = has_plan;
    if (has_plan && plan.stops) {
        is_ok = plan_error(&plan, &call.err);
        if (!is_ok && call.err.kind == ERROR_STATE)
            call.err.kind = ERROR_CHECK;
    }
    return end_with_plan(&call, is_ok, &plan, has_plan, ret_plan, ret_error);
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

/* Turns what run/ did into what goes out, on failure too. */
static WhimbrelStatus end_with_result(Call *call, bool is_ok, const RunResult *result,
                                      bool has_result, WhimbrelResult **ret_result,
                                      WhimbrelError **ret_error)
{
    WhimbrelResult *out = NULL;
    const char *migration = NULL;
    bool has_failed = false;
    if (!is_ok && has_result && (result->failed_version.len > 0 || result->failed_name.len > 0))
        migration = z(call->arena, result->failed_version, &has_failed);
    if (has_result && ret_result) {
        out = result_out(call->arena, result);
        if (!out && is_ok)
            is_ok = error_nomem(&call->err);
    }
    if (ret_result)
        *ret_result = out;
    /* The error's texts lie in the same arena: it is copied before that may be freed. */
    Arena *arena = call->arena;
    call->arena = NULL;
    WhimbrelStatus status = call_end(call, is_ok, migration, ret_error);
    if (!out)
        arena_free(arena);
    return status;
}

WhimbrelStatus whimbrel_execute(Whimbrel *whimbrel, WhimbrelVerb verb,
                                const WhimbrelRequest *request, WhimbrelResult **ret_result,
                                WhimbrelError **ret_error)
{
    Call call;
    PlanRequest wanted;
    RunResult result = {0};
    bool is_ready = call_begin(&call, whimbrel) && take_request(&call, verb, request, &wanted);
    bool is_ok =
        is_ready && run_execute(&call.runner, call.arena, &wanted, NULL, &result, &call.err);
    return end_with_result(&call, is_ok, &result, is_ready, ret_result, ret_error);
}

WhimbrelStatus whimbrel_migrate(Whimbrel *whimbrel, WhimbrelResult **ret_result,
                                WhimbrelError **ret_error)
{
    return whimbrel_execute(whimbrel, WHIMBREL_MIGRATE, NULL, ret_result, ret_error);
}

WhimbrelStatus whimbrel_rollback(Whimbrel *whimbrel, WhimbrelResult **ret_result,
                                 WhimbrelError **ret_error)
{
    return whimbrel_execute(whimbrel, WHIMBREL_ROLLBACK, NULL, ret_result, ret_error);
}

WhimbrelStatus whimbrel_goto(Whimbrel *whimbrel, const char *to, WhimbrelResult **ret_result,
                             WhimbrelError **ret_error)
{
    WhimbrelRequest request = {.size = sizeof request, .to = to};
    return whimbrel_execute(whimbrel, WHIMBREL_GOTO, &request, ret_result, ret_error);
}

WhimbrelStatus whimbrel_baseline(Whimbrel *whimbrel, const char *version, const char *name,
                                 WhimbrelResult **ret_result, WhimbrelError **ret_error)
{
    Call call;
    RunResult result = {0};
    bool is_ready = call_begin(&call, whimbrel);
    if (is_ready && (!version || !version[0]))
        is_ready = bad_request(&call.err, "baseline needs a version");
    if (is_ready)
        call.runner.settings.command = STR("baseline");
    bool is_ok = is_ready && run_baseline(&call.runner, call.arena, str_from(version),
                                          str_from(name), &result, &call.err);
    return end_with_result(&call, is_ok, &result, is_ready, ret_result, ret_error);
}

WhimbrelStatus whimbrel_resume(Whimbrel *whimbrel, uint32_t from, bool is_done,
                               WhimbrelResult **ret_result, WhimbrelError **ret_error)
{
    Call call;
    RunResult result = {0};
    bool is_ready = call_begin(&call, whimbrel);
    if (is_ready)
        call.runner.settings.command = STR("resume");
    bool is_ok =
        is_ready && run_resume(&call.runner, call.arena, from, is_done, &result, &call.err);
    return end_with_result(&call, is_ok, &result, is_ready, ret_result, ret_error);
}
