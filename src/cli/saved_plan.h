/* Plans kept in a file: what was asked for, and a digest of what it meant. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CLI_SAVED_PLAN_H
#define WHIMBREL_CLI_SAVED_PLAN_H

#include "cli/cli.h"

typedef struct SavedPlan {
    PlanRequest request;
    Phase phase;
    bool is_single_transaction, allows_out_of_order, allows_missing;
    const char *digest;
} SavedPlan;

/* Writes the plan as JSON; an existing file is replaced. */
bool saved_plan_write(Cli *cli, const char *path, const Plan *plan, const ReportSteps *steps,
                      const char *digest, Error *err);
/* ERROR_USAGE (code "bad-plan-file") when it is none, or one for the other verb. */
bool saved_plan_read(Cli *cli, Str path, PlanVerb verb, SavedPlan *ret_saved, Error *err);

/* The statements of each step, as text; stored downs included (run_fill_stored() must have been called). */
bool plan_statements(Cli *cli, const Plan *plan, ReportSteps *ret_steps, Error *err);
/* Prints the plan to standard output. */
bool plan_print(Cli *cli, Plan *plan, const History *history, bool is_document, Error *err);

/* Carries the request out and prints the result; a dry run where the engine cannot undo DDL shows the plan instead. */
bool run_or_show(Cli *cli, const PlanRequest *request, bool is_dry_run, Error *err);

#endif
