/* Every command, one file each (small twins share one). SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CLI_COMMANDS_H
#define WHIMBREL_CLI_COMMANDS_H

#include "cli/option.h"

extern const Command cmd_baseline, cmd_check, cmd_completion, cmd_config, cmd_conventions,
    cmd_convert, cmd_current, cmd_database, cmd_doctor, cmd_drop, cmd_embed, cmd_explain,
    cmd_generate, cmd_goto, cmd_heads, cmd_help, cmd_history, cmd_init, cmd_lock, cmd_migrate,
    cmd_new, cmd_plan, cmd_rebase, cmd_redo, cmd_repair, cmd_reset, cmd_resume, cmd_rollback,
    cmd_scratch, cmd_seed, cmd_stamp, cmd_status, cmd_sync, cmd_tag, cmd_validate;

#endif
