/* What stands in the way of a plan, and the first of it as an error. SPDX-License-Identifier: Apache-2.0 */
#include "plan/planner.h"

Problem *problem_add(Arena *arena, ProblemVec *problems, bool stops, const char *code, Str version,
                     Str name, const char *fmt, ...)
{
    StrBuf text = strbuf(arena);
    Str message;
    va_list args;
    va_start(args, fmt);
    strbuf_addv(&text, fmt, args);
    va_end(args);
    if (!strbuf_finish(&text, &message) || !vec_fit(arena, problems))
        return NULL;
    Problem *problem = &problems->items[problems->len++];
    *problem = (Problem){
        .code = code, .version = version, .name = name, .message = message.ptr, .stops = stops};
    return problem;
}

bool plan_error(const Plan *plan, Error *err)
{
    const Problem *first = NULL;
    size_t more = 0;
    for (size_t i = 0; i < plan->problems.len; i++) {
        const Problem *problem = &plan->problems.items[i];
        if (!problem->stops)
            continue;
        if (first)
            more++;
        else
            first = problem;
    }
    if (!first)
        return error_set(err, ERROR_STATE, "the plan has no problem that stops it");
    error_set(err, ERROR_STATE, "%s", first->message);
    error_code(err, first->code);
    if (first->pos.file)
        error_at(err, str_from(first->pos.file), first->pos.line, first->pos.column);
    if (first->detail && more > 0)
        error_detail(err, "%s; %zu more %s in the way", first->detail, more,
                     more == 1 ? "problem stands" : "problems stand");
    else if (first->detail)
        error_detail(err, "%s", first->detail);
    else if (more > 0)
        error_detail(err, "%zu more %s in the way", more,
                     more == 1 ? "problem stands" : "problems stand");
    if (first->hint)
        error_hint(err, "%s", first->hint);
    return false;
}
