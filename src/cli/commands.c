/* The table of commands, in the order in which help lists them. SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include "cli/cli.h"

const Command *const command_table[] = {
    &cmd_new,        &cmd_status,
    &cmd_plan,       &cmd_migrate,
    &cmd_rollback,   &cmd_goto,
    &cmd_redo,       &cmd_sync,
    &cmd_seed,

    &cmd_init,       &cmd_conventions,
    &cmd_baseline,   &cmd_stamp,
    &cmd_tag,        &cmd_repair,
    &cmd_resume,     &cmd_validate,
    &cmd_history,    &cmd_current,
    &cmd_heads,      &cmd_convert,
    &cmd_lock,       &cmd_rebase,

    &cmd_check,      &cmd_doctor,

    &cmd_scratch,    &cmd_embed,
    &cmd_explain,    &cmd_config,
    &cmd_completion, &cmd_help,

    &cmd_reset,      &cmd_drop,
    &cmd_database,

    &cmd_generate,   NULL,
};
