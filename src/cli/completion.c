/* Completion scripts for bash, zsh and fish, from the tables. SPDX-License-Identifier: Apache-2.0 */
#include "cli/alias.h"
#include "cli/cli.h"
#include "cli/commands.h"

/* What the command is also called, by one word. */
static void add_single_words(StrBuf *out, const Command *command, const char *before)
{
    for (const Alias *alias = alias_table; alias->words; alias++)
        if (str_eq(str_from(alias->command), str_from(command->name)) &&
            !str_eq(str_from(alias->words), str_from(command->name)) &&
            str_find_char(str_from(alias->words), ' ', 0) == SIZE_MAX)
            strbuf_addf(out, "%s%s", before, alias->words);
}

/* ---- bash ---------------------------------------------------------------------------------------------------------------- */

static void add_options(StrBuf *out, const Option *options)
{
    for (size_t i = 0; options && (options[i].name || options[i].key); i++)
        if (options[i].name && !(options[i].flags & OPTION_HIDDEN))
            strbuf_addf(out, " --%s", options[i].name);
}

static void add_choices(StrBuf *out, const char *const *choices, char separator)
{
    for (size_t i = 0; choices[i]; i++)
        strbuf_addf(out, "%s%s", i > 0 ? (separator == ' ' ? " " : "\n") : "", choices[i]);
}

/* What the shell is to run for a value of this kind, with the word typed so far in $cur. */
static void bash_value(StrBuf *out, Completion complete, const char *const *choices)
{
    switch (complete) {
    case COMPLETE_NOTHING:
        strbuf_adds(out, "COMPREPLY=()");
        return;
    case COMPLETE_FILE:
        strbuf_adds(out, "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))");
        return;
    case COMPLETE_FOLDER:
        strbuf_adds(out, "compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\"))");
        return;
    case COMPLETE_VERSION:
        strbuf_adds(out, "COMPREPLY=($(compgen -W \"head base $(whimbrel __generate versions "
                         "2>/dev/null)\" -- \"$cur\"))");
        return;
    case COMPLETE_COMMAND:
        strbuf_adds(out, "COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\"))");
        return;
    case COMPLETE_CODE:
        strbuf_adds(
            out,
            "COMPREPLY=($(compgen -W \"$(whimbrel __generate codes 2>/dev/null)\" -- \"$cur\"))");
        return;
    case COMPLETE_CONVENTION:
        strbuf_adds(out, "COMPREPLY=($(compgen -W \"$(whimbrel __generate conventions "
                         "2>/dev/null)\" -- \"$cur\"))");
        return;
    case COMPLETE_CHOICE:
        strbuf_adds(out, "COMPREPLY=($(compgen -W \"");
        add_choices(out, choices, ' ');
        strbuf_adds(out, "\" -- \"$cur\"))");
        return;
    }
}

/* Cases on "command option" for what stands before the word. */
static void bash_values(StrBuf *out, const char *command, const Option *options)
{
    for (size_t i = 0; options && (options[i].name || options[i].key); i++) {
        if (!options[i].name || !option_takes_value(&options[i]))
            continue;
        strbuf_addf(out, "    '%s --%s'", command, options[i].name);
        if (options[i].letter)
            strbuf_addf(out, "|'%s -%c'", command, options[i].letter);
        strbuf_adds(out, ") ");
        bash_value(out, options[i].complete, options[i].choices);
        strbuf_adds(out, "; return ;;\n");
    }
}

static void bash_script(StrBuf *out)
{
    strbuf_adds(
        out,
        "# whimbrel's completion for bash\n"
        "_whimbrel() {\n"
        "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= i word\n"
        "  local commands='");
    for (size_t i = 0; command_table[i]; i++)
        if (command_table[i]->group != GROUP_HIDDEN)
            strbuf_addf(out, "%s%s", i > 0 ? " " : "", command_table[i]->name);
    strbuf_adds(out, "'\n  COMPREPLY=()\n"
                     "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
                     "    word=${COMP_WORDS[i]}\n"
                     "    case $word in\n      db|migration|migrations) continue ;;\n");
    for (size_t i = 0; command_table[i]; i++) {
        if (command_table[i]->group == GROUP_HIDDEN)
            continue;
        strbuf_addf(out, "      %s", command_table[i]->name);
        add_single_words(out, command_table[i], "|");
        strbuf_addf(out, ") command=%s; break ;;\n", command_table[i]->name);
    }
    strbuf_adds(out, "    esac\n  done\n  case \"* $prev\" in\n");
    bash_values(out, "*", settings_table);
    strbuf_adds(out, "  esac\n  case \"$command $prev\" in\n");
    for (size_t i = 0; command_table[i]; i++)
        bash_values(out, command_table[i]->name, command_table[i]->options);
    strbuf_adds(out, "  esac\n  if [[ $cur == -* ]]; then\n    case $command in\n");
    for (size_t i = 0; command_table[i]; i++) {
        if (command_table[i]->group == GROUP_HIDDEN || !command_table[i]->options)
            continue;
        strbuf_addf(out, "    %s) word='", command_table[i]->name);
        add_options(out, command_table[i]->options);
        strbuf_adds(out, "' ;;\n");
    }
    strbuf_adds(out, "    *) word= ;;\n    esac\n    COMPREPLY=($(compgen -W \"$word");
    add_options(out, settings_table);
    strbuf_adds(out, " --help --version\" -- \"$cur\"))\n    return\n  fi\n  case $command in\n"
                     "    '') COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\")) ;;\n");
    for (size_t i = 0; command_table[i]; i++) {
        const Argument *argument = command_table[i]->arguments;
        if (command_table[i]->group == GROUP_HIDDEN || !argument || !argument->name)
            continue;
        strbuf_addf(out, "    %s) ", command_table[i]->name);
        bash_value(out, argument->complete, argument->choices);
        strbuf_adds(out, " ;;\n");
    }
    strbuf_adds(out, "  esac\n}\ncomplete -F _whimbrel whimbrel\n");
}

/* ---- zsh ----------------------------------------------------------------------------------------------------------------- */

/* Text inside '...[...]' of _arguments: quotes, brackets and colons would end it. */
static void zsh_text(StrBuf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            strbuf_adds(out, "'\\''");
        else if (*text == '[' || *text == ']' || *text == ':')
            strbuf_addf(out, "\\%c", *text);
        else
            strbuf_add_char(out, *text);
    }
}

static void zsh_value(StrBuf *out, Completion complete, const char *const *choices)
{
    switch (complete) {
    case COMPLETE_NOTHING:
        strbuf_adds(out, " ");
        return;
    case COMPLETE_FILE:
        strbuf_adds(out, "_files");
        return;
    case COMPLETE_FOLDER:
        strbuf_adds(out, "_files -/");
        return;
    case COMPLETE_VERSION:
        strbuf_adds(out, "(head base $(whimbrel __generate versions 2>/dev/null))");
        return;
    case COMPLETE_COMMAND:
        strbuf_adds(out, "_command_names -e");
        return;
    case COMPLETE_CODE:
        strbuf_adds(out, "($(whimbrel __generate codes 2>/dev/null))");
        return;
    case COMPLETE_CONVENTION:
        strbuf_adds(out, "($(whimbrel __generate conventions 2>/dev/null))");
        return;
    case COMPLETE_CHOICE:
        strbuf_adds(out, "(");
        add_choices(out, choices, ' ');
        strbuf_adds(out, ")");
        return;
    }
}

static void zsh_options(StrBuf *out, const Option *options)
{
    for (size_t i = 0; options && (options[i].name || options[i].key); i++) {
        const Option *option = &options[i];
        if (!option->name || (option->flags & OPTION_HIDDEN))
            continue;
        const char *many =
            option->type == OPTION_STRINGS || option->type == OPTION_PAIRS ? "*" : "";
        if (option->letter)
            strbuf_addf(out, "    %s{-%c,--%s}'[", *many ? "'*'" : "", option->letter,
                        option->name);
        else
            strbuf_addf(out, "    '%s--%s[", many, option->name);
        zsh_text(out, option->help);
        strbuf_adds(out, "]");
        if (option_takes_value(option)) {
            strbuf_adds(out, ":");
            zsh_text(out, option->value);
            strbuf_adds(out, ":");
            zsh_value(out, option->complete, option->choices);
        }
        strbuf_adds(out, "'\n");
    }
}

static void zsh_script(StrBuf *out)
{
    strbuf_adds(out, "#compdef whimbrel\n# whimbrel's completion for zsh\n_whimbrel() {\n  local "
                     "-a global commands own\n"
                     "  local command word\n  global=(\n");
    zsh_options(out, settings_table);
    strbuf_adds(out, "    {-h,--help}'[help]'\n    '--version[the version]'\n  )\n  commands=(\n");
    for (size_t i = 0; command_table[i]; i++) {
        if (command_table[i]->group == GROUP_HIDDEN)
            continue;
        strbuf_addf(out, "    '%s:", command_table[i]->name);
        zsh_text(out, command_table[i]->summary);
        strbuf_adds(out, "'\n");
    }
    strbuf_adds(out, "  )\n  for word in ${words[2,CURRENT-1]}; do\n    case $word in\n");
    for (size_t i = 0; command_table[i]; i++) {
        if (command_table[i]->group == GROUP_HIDDEN)
            continue;
        strbuf_addf(out, "    %s", command_table[i]->name);
        add_single_words(out, command_table[i], "|");
        strbuf_addf(out, ") command=%s; break ;;\n", command_table[i]->name);
    }
    strbuf_adds(out, "    esac\n  done\n  if [[ -z $command ]]; then\n"
                     "    _arguments $global '1:command:{_describe command commands}' '*::: :'\n   "
                     " return\n  fi\n"
                     "  case $command in\n");
    for (size_t i = 0; command_table[i]; i++) {
        const Command *command = command_table[i];
        if (command->group == GROUP_HIDDEN)
            continue;
        strbuf_addf(out, "  %s) own=(\n", command->name);
        zsh_options(out, command->options);
        if (command->arguments && command->arguments[0].name) {
            strbuf_adds(out, "    '2:");
            zsh_text(out, command->arguments[0].name);
            strbuf_adds(out, ":");
            if (str_eq(str_from(command->name), STR("help")))
                strbuf_adds(out, "{_describe command commands}");
            else
                zsh_value(out, command->arguments[0].complete, command->arguments[0].choices);
            strbuf_adds(out, "'\n");
        }
        strbuf_adds(out, "  ) ;;\n");
    }
    strbuf_adds(out, "  esac\n  _arguments $global '1: :' $own\n}\n_whimbrel \"$@\"\n");
}

/* ---- fish ---------------------------------------------------------------------------------------------------------------- */

static void fish_text(StrBuf *out, const char *text)
{
    strbuf_add_char(out, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            strbuf_add_char(out, '\\');
        strbuf_add_char(out, *text);
    }
    strbuf_add_char(out, '\'');
}

static void fish_value(StrBuf *out, Completion complete, const char *const *choices)
{
    switch (complete) {
    case COMPLETE_NOTHING:
        strbuf_adds(out, " -x");
        return;
    case COMPLETE_FILE:
        strbuf_adds(out, " -r -F");
        return;
    case COMPLETE_FOLDER:
        strbuf_adds(out, " -x -a '(__fish_complete_directories)'");
        return;
    case COMPLETE_VERSION:
        strbuf_adds(out, " -x -a 'head base (whimbrel __generate versions 2>/dev/null)'");
        return;
    case COMPLETE_COMMAND:
        strbuf_adds(out, " -x -a '(__fish_complete_subcommand)'");
        return;
    case COMPLETE_CODE:
        strbuf_adds(out, " -x -a '(whimbrel __generate codes 2>/dev/null)'");
        return;
    case COMPLETE_CONVENTION:
        strbuf_adds(out, " -x -a '(whimbrel __generate conventions 2>/dev/null)'");
        return;
    case COMPLETE_CHOICE:
        strbuf_adds(out, " -x -a '");
        add_choices(out, choices, ' ');
        strbuf_adds(out, "'");
        return;
    }
}

static void fish_options(StrBuf *out, const Command *command, const Option *options)
{
    for (size_t i = 0; options && (options[i].name || options[i].key); i++) {
        const Option *option = &options[i];
        if (!option->name || (option->flags & OPTION_HIDDEN))
            continue;
        strbuf_adds(out, "complete -c whimbrel");
        if (command) {
            strbuf_adds(out, " -n '__fish_seen_subcommand_from");
            strbuf_addf(out, " %s", command->name);
            add_single_words(out, command, " ");
            strbuf_adds(out, "'");
        }
        strbuf_addf(out, " -l %s", option->name);
        if (option->letter)
            strbuf_addf(out, " -s %c", option->letter);
        if (option_takes_value(option))
            fish_value(out, option->complete, option->choices);
        strbuf_adds(out, " -d ");
        fish_text(out, option->help);
        strbuf_adds(out, "\n");
    }
}

static void fish_script(StrBuf *out)
{
    strbuf_adds(out, "# whimbrel's completion for fish\ncomplete -c whimbrel -f\n");
    fish_options(out, NULL, settings_table);
    strbuf_adds(out, "complete -c whimbrel -l help -s h -d help\ncomplete -c whimbrel -l version "
                     "-d 'the version'\n");
    for (size_t i = 0; command_table[i]; i++) {
        const Command *command = command_table[i];
        if (command->group == GROUP_HIDDEN)
            continue;
        strbuf_addf(out, "complete -c whimbrel -n __fish_use_subcommand -a %s -d ", command->name);
        fish_text(out, command->summary);
        strbuf_adds(out, "\n");
        fish_options(out, command, command->options);
        if (!command->arguments || !command->arguments[0].name)
            continue;
        strbuf_addf(out, "complete -c whimbrel -n '__fish_seen_subcommand_from %s'", command->name);
        if (str_eq(str_from(command->name), STR("help"))) {
            strbuf_adds(out, " -x -a '");
            for (size_t c = 0; command_table[c]; c++)
                if (command_table[c]->group != GROUP_HIDDEN)
                    strbuf_addf(out, "%s ", command_table[c]->name);
            strbuf_adds(out, "'");
        } else {
            fish_value(out, command->arguments[0].complete, command->arguments[0].choices);
        }
        strbuf_adds(out, "\n");
    }
}

bool completion_script(Str shell, StrBuf *out)
{
    if (str_eq(shell, STR("bash")))
        bash_script(out);
    else if (str_eq(shell, STR("zsh")))
        zsh_script(out);
    else if (str_eq(shell, STR("fish")))
        fish_script(out);
    else
        return false;
    return true;
}

/* ---- the command ---------------------------------------------------------------------------------------------------------- */

typedef struct CompletionArgs {
    Str shell;
} CompletionArgs;

static bool completion_run(Cli *cli, const void *args, Error *err)
{
    const CompletionArgs *options = args;
    StrBuf out = strbuf(cli->arena);
    Str script;
    if (!completion_script(options->shell, &out) || !strbuf_finish(&out, &script))
        return error_nomem(err);
    stream_write(&cli->out, script);
    return true;
}

static const char *const shells[] = {"bash", "zsh", "fish", NULL};

static const Argument completion_arguments[] = {
    {.name = "bash|zsh|fish",
     .type = OPTION_CHOICE,
     .offset = offsetof(CompletionArgs, shell),
     .choices = shells,
     .complete = COMPLETE_CHOICE,
     .help = "the shell"},
    {0},
};

static const Example completion_examples[] = {
    {"source <(whimbrel completion bash)", "in ~/.bashrc"},
    {"whimbrel completion zsh > ~/.zfunc/_whimbrel", "a folder that is in zsh's fpath"},
    {"whimbrel completion fish > ~/.config/fish/completions/whimbrel.fish", "fish finds it there"},
    {0},
};

const Command cmd_completion = {
    .name = "completion",
    .summary = "the completion script of a shell",
    .about = "Commands, options, their values, and the versions on disk.",
    .group = GROUP_DEVELOPING,
    .arguments = completion_arguments,
    .examples = completion_examples,
    .args_size = sizeof(CompletionArgs),
    .run = completion_run,
};
