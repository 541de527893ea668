/* The pages of `whimbrel explain`, one for every code that an error or problem can carry. SPDX-License-Identifier: Apache-2.0
 *
 * Sorted by code; a test compares them with the codes that the sources use. */
#include "cli/cli.h"

const Explanation explanations[] = {
    {.code = "access-refused",
     .title = "the server does not let this user in",
     .text = "PostgreSQL's pg_hba.conf has no line that admits this user from this host to\n"
             "this database, or asks for a proof that was not given.\n"
             "Look at the user, host and database in the URL; ask whoever runs the server\n"
             "for a line in pg_hba.conf.\n"
             "\n"
             "    host  shop  app  10.0.0.0/8  scram-sha-256"},
    {.code = "ahead",
     .title = "the database is newer than the migrations of this program",
     .text = "A program that carries its migrations was asked whether the database fits, and\n"
             "the history holds versions that the program does not have: a newer release has\n"
             "migrated.\n"
             "Start the newer release, or roll the database back with it first."},
    {.code = "ambiguous-convention",
     .title = "files or history fit more than one tool",
     .text = "Several tools name their files alike, or the history is one tool's and the\n"
             "files can only be another's. Guessing could write into the wrong history.\n"
             "Say which one holds:\n"
             "\n"
             "    whimbrel conventions\n"
             "    whimbrel --convention sqlx status\n"
             "\n"
             "or for good, in whimbrel.toml: convention = \"sqlx\"."},
    {.code = "ambiguous-history",
     .title = "two tables could be the history",
     .text = "The tool whose project this is keeps its table in a schema of its own, and there\n"
             "is one in the connection's schema too. --table names the one that is meant."},
    {.code = "ambiguous-version",
     .title = "several versions begin like this, or have this name",
     .text = "A version may be shortened to a prefix, or called by its name, as long as only\n"
             "one fits.\n"
             "Say more of it; 'whimbrel status' lists all."},
    {.code = "bad-annotation",
     .title = "a marker in the file is not as its tool has it",
     .text = "Tools that keep both directions in one file tell them apart by comments such as\n"
             "-- +goose Up or -- migrate:down. One of these is misspelt, missing or out of place,\n"
             "and the tool itself would stop at it too.\n"
             "The message names the line. Correct the marker there."},
    {.code = "bad-argument",
     .title = "a program called the library wrongly",
     .text = "An argument of libwhimbrel's functions is missing or out of its range; the\n"
             "message says which. Nothing was touched.\n"
             "This is for the programmer of that program: the headers in include/whimbrel\n"
             "say what each function wants."},
    {.code = "bad-changelog",
     .title = "a changelog of Liquibase is not as Liquibase has it",
     .text = "A directive is misspelt or incomplete, an include leads nowhere, or the changelog\n"
             "holds what neither Liquibase nor whimbrel knows. The message names file and line.\n"
             "Correct it there; nothing was run."},
    {.code = "bad-directive",
     .title = "a directive has a value it cannot have",
     .text = "Directives are comments that begin with 'whimbrel:'. Durations are written\n"
             "like 2s or 10min, counts as numbers, lists with commas.\n"
             "\n"
             "    -- whimbrel: lock-timeout=2s lock-retries=30\n"
             "    -- whimbrel: requires=20250405120000\n"
             "\n"
             "Some hold for a whole migration and stand only at the head of the file: phase,\n"
             "requires, engine."},
    {.code = "bad-embedded",
     .title = "migrations that are linked into a program do not form a folder",
     .text = "Two files have one path, or a path is empty, absolute or steps out of its\n"
             "folder. Make the source anew with 'whimbrel embed'."},
    {.code = "bad-file",
     .title = "something in the folder is not a file that can be read",
     .text = "A symbolic link that leads nowhere, a folder or a device where a migration\n"
             "should be. The message names it: mend or remove it."},
    {.code = "bad-lease",
     .title = "the lease is too short",
     .text = "It has to be renewed several times before it ends, over the network: give it a\n"
             "second at least. The default is 30 s.\n"
             "\n"
             "    lease = \"30s\"            in whimbrel.toml"},
    {.code = "bad-name",
     .title = "a file is nearly a migration, but its name is not right",
     .text = "The name looks like a migration's and cannot be read as one, for instance\n"
             "because the version is missing or holds letters. Passing over it silently\n"
             "could leave it unapplied.\n"
             "\n"
             "    20250405120000_create_users.up.sql\n"
             "    V001__create_users.sql\n"
             "    R__views.sql\n"
             "\n"
             "Rename it, or move it out of the folder."},
    {.code = "bad-option",
     .title = "an option has a value that it cannot have",
     .text = "The message says what it takes. 'whimbrel COMMAND --help' lists the options of\n"
             "a command."},
    {.code = "bad-placeholder",
     .title = "a placeholder cannot be filled in",
     .text = "The tool whose files these are replaces ${name} before anything runs, in comments\n"
             "too, and stops where there is no value. Give one in the tool's configuration, or\n"
             "turn its placeholders off there."},
    {.code = "bad-plan",
     .title = "the plan of the tool whose project this is cannot be read",
     .text = "Sqitch runs what its plan lists, in that order, and stops at a line that it does\n"
             "not understand. The message names the line: mend it there."},
    {.code = "bad-plan-file",
     .title = "the file is no saved plan",
     .text = "'migrate --plan' and 'rollback --plan' read what 'whimbrel plan --save FILE'\n"
             "wrote. A plan of a rollback is run by rollback, that of a migrate by migrate."},
    {.code = "bad-revision",
     .title = "a revision's file does not fit into the graph",
     .text =
         "Alembic's revisions name what they follow: revision and down_revision at the top of\n"
         "each file; Django's migrations have dependencies. One of them cannot be read without\n"
         "Python, names what is not here, or the line leads back to itself. Mend the head of\n"
         "the file that is named; nothing else of the file is looked at for this."},
    {.code = "bad-setting",
     .title = "a setting has a value that it cannot have",
     .text = "The message says where it stands and what it takes. 'whimbrel config' shows\n"
             "all settings in force and their origin.\n"
             "\n"
             "    lock_wait = \"60s\"\n"
             "    migrations = [\"migrations\", \"vendor/migrations\"]"},
    {.code = "bad-table",
     .title = "this cannot be the name of a history table",
     .text = "A name, or a schema and a name with a dot between; no part may be empty.\n"
             "\n"
             "    whimbrel --table audit.schema_history status"},
    {.code = "bad-target",
     .title = "this cannot be where the database is to go",
     .text = "The target and the direction do not fit together, or the target is missing.\n"
             "migrate goes up, rollback goes down, goto goes either way.\n"
             "\n"
             "    whimbrel goto 20250405120000"},
    {.code = "bad-url",
     .title = "the database URL cannot be read",
     .text = "The forms are:\n"
             "\n"
             "    sqlite:app.db   sqlite:///absolute/path.db   sqlite::memory:\n"
             "    postgres://user@host:5432/database?sslmode=verify-full\n"
             "    mysql://user@host:3306/database   mariadb://user@host/database\n"
             "\n"
             "Characters such as @, / and # in a user or password are written with %: p%40ss\n"
             "is p@ss. The password is never shown in the message."},
    {.code = "bad-verify",
     .title = "a verify script cannot be run so that nothing is left of it",
     .text = "Verify scripts run in a transaction that is rolled back. A statement that ends the\n"
             "transaction or cannot be part of one (DDL on MariaDB and MySQL, VACUUM), data for\n"
             "COPY, and commands of a client have no place in one."},
    {.code = "bad-version",
     .title = "this cannot be a version here",
     .text = "Versions are decimal numbers, with dots between parts. Some tools allow less:\n"
             "SQLx wants one whole number of 64 bits."},
    {.code = "baseline-late",
     .title = "a baseline comes first, and the history has entries already",
     .text = "A baseline says where a database stood before its first migration. This\n"
             "history already says what was applied.\n"
             "To correct what it says:\n"
             "\n"
             "    whimbrel stamp 20250405120000"},
    {.code = "behind-baseline",
     .title = "this database stopped before what the baseline stands for",
     .text = "Old migrations were put together into one baseline file. New databases start\n"
             "from that; this one had not come as far, and the files in between are gone\n"
             "from this checkout.\n"
             "Bring it up to the baseline's version with the checkout from before, then go\n"
             "on with this one."},
    {.code = "below-baseline",
     .title = "what a baseline covers cannot be rolled back",
     .text = "The database was taken over at that version; what came before was made by\n"
             "other means, and there is no way back through it.\n"
             "Go back no further than the baseline."},
    {.code = "cancelled",
     .title = "it was stopped from outside",
     .text = "SIGINT (Ctrl-C), SIGTERM, SIGHUP (the terminal closed), or the program that\n"
             "uses the library asked for it.\n"
             "The transaction under way was rolled back; where statements could not be\n"
             "undone the history says how far it came.\n"
             "\n"
             "    whimbrel status"},
    {.code = "cancelled-by-server",
     .title = "someone cancelled the statement on the server",
     .text = "pg_cancel_backend(), KILL QUERY or an administrator's tool ended it. Its\n"
             "transaction was rolled back.\n"
             "Ask who did, then run the command again."},
    {.code = "cannot-rename",
     .title = "the version is not where it was looked for",
     .text = "rebase renames files by replacing the version at the front of the name. This\n"
             "file's name, or that of its folder, does not begin with it.\n"
             "Rename it by hand."},
    {.code = "changed",
     .title = "applied migrations are not what this program carries",
     .text = "A program that carries its migrations was asked whether the database fits: the\n"
             "text of an applied migration differs from the program's.\n"
             "The program, or the database, is of another line of development; find out\n"
             "which before going on."},
    {.code = "checksum-changed",
     .title = "a migration was changed after it was applied",
     .text = "Databases that have it would not get the change, new ones would: they would\n"
             "differ from then on. Comments, white space and line ends do not count.\n"
             "See what was changed:\n"
             "\n"
             "    whimbrel validate --diff\n"
             "\n"
             "The usual way is to put the file back and to write a new migration. If the\n"
             "change is harmless, or made on all databases already:\n"
             "\n"
             "    whimbrel repair"},
    {.code = "client-command",
     .title = "a command of a client, not SQL",
     .text = "The mysql client's source, system and tee, the sqlite3 shell's lines that\n"
             "begin with a dot, 'go' and '/' on a line of their own: the server knows none\n"
             "of them.\n"
             "Take it out; for source and .read put the text into the migration, and end\n"
             "statements with a semicolon."},
    {.code = "client-missing",
     .title = "the client library of this engine is not installed",
     .text = "PostgreSQL, MySQL and MariaDB are spoken to through their own client\n"
             "libraries, which are loaded when a URL asks for them.\n"
             "\n"
             "    apt install libpq5          PostgreSQL on Debian, Ubuntu\n"
             "    apt install libmariadb3     MySQL and MariaDB on Debian, Ubuntu\n"
             "\n"
             "SQLite needs nothing."},
    {.code = "connect-refused",
     .title = "no server answers there",
     .text = "Nothing listens at that host and port, the name cannot be resolved, or a\n"
             "firewall is between. While a server starts it refuses too.\n"
             "Look at host and port in the URL. In a rollout, wait for it:\n"
             "\n"
             "    whimbrel check --wait 2min"},
    {.code = "connect-timeout",
     .title = "the server did not answer in time",
     .text = "The connection was not made within connect_timeout (10 seconds unless\n"
             "configured): a wrong address, a firewall that swallows packets, or an\n"
             "overloaded server.\n"
             "\n"
             "    whimbrel --connect-timeout 30s status"},
    {.code = "connection-lost",
     .title = "the connection broke",
     .text = "The server went away, was restarted, or the network failed. What was in a\n"
             "transaction has been rolled back by the server; the history, which is written\n"
             "in the same transaction, says what is applied. A run has sought a new one for\n"
             "as long as --reconnect says (30s) before it gave up.\n"
             "Look, then go on:\n"
             "\n"
             "    whimbrel status\n"
             "    whimbrel migrate"},
    {.code = "conversion-loses",
     .title = "the convention that is wanted cannot hold everything",
     .text = "What a tool's files and history can say differs: downs, repeatables, times, who.\n"
             "A conversion lists what would be left behind, and with --yes it wants to be told\n"
             "that this is accepted:\n"
             "\n"
             "    whimbrel convert --to goose --yes --lossy\n"
             "\n"
             "The old files and the old history stay where they are in any case."},
    {.code = "convert-outdated",
     .title = "the history has changed since the conversion was shown",
     .text = "Another run came between reading the history and converting it. Nothing was\n"
             "written: look again."},
    {.code = "copy-line",
     .title = "COPY data without the line that ends it",
     .text = "COPY ... FROM STDIN is followed by data and a line that holds only \\. as\n"
             "pg_dump writes it."},
    {.code = "corrupt",
     .title = "the database file is damaged",
     .text = "SQLite found pages that do not fit together. Do not migrate it.\n"
             "\n"
             "    sqlite3 app.db 'PRAGMA integrity_check'\n"
             "\n"
             "Restore a backup, or rescue what can be read with sqlite3's .recover."},
    {.code = "database-absent",
     .title = "there is no such database",
     .text = "The server answers, or the folder is there, but the database is not.\n"
             "\n"
             "    whimbrel database create\n"
             "\n"
             "For SQLite 'whimbrel migrate' makes the file. Look at the name in the URL:\n"
             "case counts."},
    {.code = "database-exists",
     .title = "a database of that name is there already",
     .text = "Nothing was changed. Choose another name, or use the one that is there."},
    {.code = "database-in-use",
     .title = "others are connected to the database",
     .text = "It cannot be dropped while sessions are open. pg_stat_activity lists them;\n"
             "stop the applications first."},
    {.code = "deadlock",
     .title = "two transactions waited for each other",
     .text = "The server ended this one, and it was rolled back whole. It is tried again by\n"
             "itself as often as lock_retries says; when that is used up, something else\n"
             "keeps locking in another order.\n"
             "Try again when there is less traffic."},
    {.code = "deleted",
     .title = "a migration that was marked as deleted is here again",
     .text = "'whimbrel repair' recorded that its file is gone for good. What it did is\n"
             "still in the database, so it is not run again.\n"
             "If it should run once more, give it a new version."},
    {.code = "delimiter",
     .title = "a DELIMITER line is not right",
     .text = "DELIMITER is a word of the mysql client: alone on its line, with the new\n"
             "delimiter behind it.\n"
             "\n"
             "    DELIMITER //\n"
             "    CREATE TRIGGER ... END //\n"
             "    DELIMITER ;"},
    {.code = "disk-full",
     .title = "the server's disk is full",
     .text = "The statement could not be stored. Its transaction was rolled back.\n"
             "Make room on the server, then run the command again."},
    {.code = "dotenv",
     .title = "the file .env cannot be read",
     .text = "Lines are NAME=value; quotes must be closed. The line is not shown, since such\n"
             "files hold secrets.\n"
             "\n"
             "    DATABASE_URL=\"postgres://app@localhost/shop\""},
    {.code = "down-without-up",
     .title = "a down without its up",
     .text = "The folder holds the way back of a migration whose way there is missing. Bring\n"
             "the file back, or remove the down."},
    {.code = "duplicate-version",
     .title = "two migrations have the same version",
     .text = "A version is a migration's identity; with two of one kind it would not be\n"
             "known which was applied. It happens when branches are merged. The message\n"
             "names both files.\n"
             "Give the younger one, which is applied nowhere yet, a new version:\n"
             "\n"
             "    git mv 0012_add_b.sql 0013_add_b.sql"},
    {.code = "empty-migration",
     .title = "there is no statement in the file",
     .text = "It holds only comments, or nothing. Recorded as applied it would never run\n"
             "again, although it may merely not have been written yet.\n"
             "Write it, or remove it."},
    {.code = "failed",
     .title = "the database holds a failed migration",
     .text = "A program that carries its migrations was asked whether the database fits: one\n"
             "of them failed or stopped half-way.\n"
             "\n"
             "    whimbrel status"},
    {.code = "failed-migration",
     .title = "a migration failed, and how far it came is not known",
     .text = "The history is of a tool that records failure, but not which statements ran.\n"
             "Look at the database, and put it right by hand to before or after that\n"
             "migration. Then\n"
             "\n"
             "    whimbrel repair              removes the entry: it will run again\n"
             "    whimbrel stamp VERSION       records it as applied"},
    {.code = "file-changed",
     .title = "a file changed while it was being read",
     .text = "It was read once to make the plan and once to run it, and the second time it\n"
             "was not the same. Nothing more was run.\n"
             "Wait until whatever writes it is done, and run the command again."},
    {.code = "folder-not-empty",
     .title = "the folder for the converted files holds something else",
     .text = "A conversion writes into a folder of its own, so that nothing is overwritten and\n"
             "no other file becomes a migration. Name one:\n"
             "\n"
             "    whimbrel convert --to whimbrel --into db/whimbrel\n"
             "\n"
             "What an interrupted conversion left there is not in the way. A reworked change\n"
             "(Sqitch) keeps its old scripts under the name of a tag; nothing else may be there."},
    {.code = "foreign-config",
     .title = "a whimbrel.toml further up belongs to another user",
     .text = "The nearest whimbrel.toml above the current folder holds, and it may name a program "
             "that\n"
             "tells the password. One that belongs neither to you, nor to root, nor to the owner "
             "of the\n"
             "current folder may have been put there by anybody, so it is only heeded when it is "
             "named.\n"
             "\n"
             "    whimbrel -c ../whimbrel.toml status"},
    {.code = "foreign-history",
     .title = "the history table is not what it should be",
     .text = "A table of that name exists and has other columns: it belongs to another tool,\n"
             "or to something else altogether.\n"
             "\n"
             "    whimbrel conventions                      what was recognised\n"
             "    whimbrel --convention NAME status         if it is another tool's\n"
             "    whimbrel --table other_history status     if the name is taken"},
    {.code = "history-table",
     .title = "a script would drop, empty or rename the history table",
     .text = "Which migrations have run is kept in that table, and nowhere else. Without it\n"
             "the next run would begin with the first migration again.\n"
             "Take the statement out. To begin anew on purpose there is 'whimbrel drop'."},
    {.code = "hook-failed",
     .title = "a hook ended with an error",
     .text = "An executable hook gave another exit code than 0, or could not be started.\n"
             "Hooks before a step keep it from running.\n"
             "Run it by hand to see what it says. Its name and place:\n"
             "\n"
             "    migrations/hooks/before-migrate"},
    {.code = "hook-in-transaction",
     .title = "a program cannot run in the midst of a single transaction",
     .text = "It would see nothing of what the run has done, and every lock would be held for\n"
             "as long as it takes. With --single-transaction programs run before and after\n"
             "the whole:\n"
             "\n"
             "    migrations/hooks/before-migrate\n"
             "    migrations/hooks/after-migrate"},
    {.code = "hook-lone-statement",
     .title = "a hook holds a statement that cannot run in a transaction",
     .text = "before-each and after-each run inside the migration's transaction. CREATE\n"
             "INDEX CONCURRENTLY, VACUUM and their like cannot.\n"
             "Move it to before-migrate or after-migrate, or into a migration."},
    {.code = "hook-not-embeddable",
     .title = "an executable hook cannot be linked into a program",
     .text = "'whimbrel embed' puts SQL into a C source. A hook that is a program of its own\n"
             "has no place there.\n"
             "Write the hook as SQL, or let the program that embeds the migrations do that\n"
             "work itself."},
    {.code = "host-language",
     .title = "only its own tool can run this migration",
     .text = "It is written in another language than SQL, or holds what only that tool and its\n"
             "client understand (commands, templates), or its plan rules it out; the message\n"
             "says which. It has its place in the order, and its row when it is applied.\n"
             "Nothing of it was run.\n"
             "\n"
             "    whimbrel migrate --to VERSION    stops before it\n"
             "    whimbrel stamp VERSION           records it, after its own tool has run it"},
    {.code = "json",
     .title = "a configuration file in JSON cannot be read",
     .text = "It is not valid JSON, or JSON5, at the place shown. It belongs to the tool whose\n"
             "project this is; whimbrel's own settings stand in whimbrel.toml."},
    {.code = "lease-lost",
     .title = "the lease of the migration lock ran out",
     .text = "Behind a pooling proxy and on a cluster the migration lock is a lease, renewed\n"
             "three times in its length. This run was stopped, or could not reach the server,\n"
             "for longer: from then on another run may hold the lock, so that this one commits\n"
             "nothing more. What it had committed before is in the history.\n"
             "\n"
             "    whimbrel status           what holds\n"
             "    whimbrel lock list        who holds the lock now\n"
             "    lease = \"2min\"            in whimbrel.toml: a longer lease"},
    {.code = "library-missing",
     .title = "a library that reads such files is not installed",
     .text = "Changelogs in YAML and JSON are read by libyaml, which is loaded when the first one\n"
             "is met.\n"
             "\n"
             "    apt install libyaml-0-2     Debian, Ubuntu\n"
             "    dnf install libyaml         Fedora\n"
             "    apk add yaml                Alpine"},
    {.code = "lock-holder-changed",
     .title = "someone else holds the lock now",
     .text = "Between looking and ending the session, the holder has changed. Nothing was\n"
             "done.\n"
             "\n"
             "    whimbrel lock list"},
    {.code = "lock-in-use",
     .title = "the lock cannot be taken from a transaction",
     .text = "The holder of the migration lock is in the middle of a transaction, and the lock\n"
             "is held by that transaction too. Wait for its end, or end its session on the\n"
             "server; the message names it."},
    {.code = "lock-lost",
     .title = "the migration lock was lost on the way",
     .text = "The session that held it ended, or a proxy handed the connection to someone\n"
             "else. What ran before is in the history.\n"
             "Connect to the server itself, not through a transaction-pooling proxy, and run\n"
             "the command again.\n"
             "\n"
             "Liquibase's lock is a row of a table, which anybody can release: a Liquibase before\n"
             "5.0.4 does so when it gives up waiting. Each transaction begins by taking it again\n"
             "where it is free; here another has it by now, and whimbrel lock list says who."},
    {.code = "lock-timeout",
     .title = "a table was in use for too long",
     .text = "The statement needs a lock that another transaction holds. It does not queue\n"
             "for it, because everybody else would queue behind it: it gives up after\n"
             "lock_timeout, rolls back, and tries again, lock_retries times.\n"
             "The message names who holds it. Let that transaction end, or give it more\n"
             "time:\n"
             "\n"
             "    whimbrel migrate --lock-timeout 10s --lock-retries 60\n"
             "    -- whimbrel: lock-timeout=2s lock-retries=30        for one migration"},
    {.code = "locked",
     .title = "another run is migrating",
     .text = "One runner at a time. This one waited for --lock-wait and gave up with exit\n"
             "code 4; nothing was changed.\n"
             "\n"
             "    whimbrel lock list\n"
             "    whimbrel migrate --lock-wait 10min"},
    {.code = "lone-in-transaction",
     .title = "a statement that cannot run in a transaction stands inside BEGIN ... COMMIT",
     .text = "CREATE INDEX CONCURRENTLY, VACUUM, ALTER SYSTEM and some others are refused\n"
             "there by the server.\n"
             "Take it out of the pair, or drop BEGIN and COMMIT from the file: whimbrel cuts\n"
             "the file into transactions by itself."},
    {.code = "lost-history",
     .title = "the table that says what has run is gone",
     .text = "Beside it stand whimbrel's other two tables, so that migrations have run here, and\n"
             "to begin with the first again would do them twice. Somebody has dropped or\n"
             "renamed it: rename it back, or restore it from a backup. Without one:\n"
             "\n"
             "    DROP TABLE whimbrel_run; DROP TABLE whimbrel_meta;\n"
             "    whimbrel stamp 20250405120000      as far as the database is"},
    {.code = "markup",
     .title = "a file in XML, YAML or JSON cannot be read",
     .text = "It is not well-formed at the place shown, or uses what is not read on purpose:\n"
             "document types and entities of XML, aliases of YAML, another encoding than UTF-8."},
    {.code = "memory",
     .title = "the server, or this program, ran out of memory",
     .text = "The transaction was rolled back. A statement that is very large, or a server\n"
             "that is set very small, are the usual causes."},
    {.code = "missing-argument",
     .title = "a command was not told what it needs",
     .text = "'whimbrel COMMAND --help' shows how it is called."},
    {.code = "missing-down",
     .title = "a migration has no way back",
     .text = "It was written without a down, and none is kept in the history. Nothing was\n"
             "rolled back.\n"
             "Write the down beside it:\n"
             "\n"
             "    20250405120000_create_users.down.sql\n"
             "\n"
             "or, if it changed nothing that matters, strike it out of the history alone:\n"
             "\n"
             "    whimbrel rollback --fake"},
    {.code = "missing-migration",
     .title = "it is applied, but its file is not here",
     .text = "The database has been migrated from another branch or a newer checkout, or the\n"
             "file was deleted.\n"
             "\n"
             "    git log --diff-filter=D -- migrations      was it deleted?\n"
             "    whimbrel sync                              rolls it back by its stored down\n"
             "    whimbrel repair                            marks it as deleted for good"},
    {.code = "needs-yes",
     .title = "a question could not be asked",
     .text = "The command asks before it goes on, and there is no terminal to ask on.\n"
             "\n"
             "    whimbrel repair --yes"},
    {.code = "newer-history",
     .title = "the history was written by a newer release",
     .text = "Its format is newer than what this program knows, so that it might read it\n"
             "wrongly.\n"
             "Update whimbrel."},
    {.code = "no-backup",
     .title = "the database cannot be copied by --backup",
     .text = "Only databases that are one file can. Use the server's own tool first:\n"
             "\n"
             "    pg_dump --format=custom --file=shop.dump shop\n"
             "    mariadb-dump --single-transaction --routines shop > shop.sql"},
    {.code = "no-config",
     .title = "the configuration file does not exist",
     .text = "A file that is named by --config or WHIMBREL_CONFIG has to be there. Without\n"
             "either, whimbrel.toml is looked for here and in the folders above, and may be\n"
             "absent.\n"
             "\n"
             "    whimbrel init"},
    {.code = "no-database",
     .title = "no database is named",
     .text = "In order of precedence: -d URL, WHIMBREL_DATABASE_URL, DATABASE_URL (both also\n"
             "in .env), database = \"...\" in whimbrel.toml.\n"
             "\n"
             "    whimbrel -d sqlite:app.db status"},
    {.code = "no-databases",
     .title = "databases cannot be made or dropped on this engine",
     .text = "Or not in this form, such as a database in memory. Use the server's own tool."},
    {.code = "no-lock",
     .title = "this engine or connection has no lock that could be looked at",
     .text = "On SQLite the write transaction is the lock: it belongs to whoever writes, and\n"
             "ends with that transaction. Behind a pooling proxy and on a cluster the lock is\n"
             "a lease, which a second connection keeps: an application's own connection is not\n"
             "enough for that, give the database's URL."},
    {.code = "no-migrations",
     .title = "the folder of migrations is not there",
     .text = "    whimbrel init            makes it\n"
             "    whimbrel -m DIR status   names another"},
    {.code = "no-privilege",
     .title = "the user may not do this",
     .text = "The server refused it for want of a privilege. Run whimbrel as the owner of\n"
             "the object, or have the privilege granted.\n"
             "\n"
             "    whimbrel doctor"},
    {.code = "no-run-log",
     .title = "this history does not say which run applied what",
     .text = "'rollback --last-run' needs that. Say how far to go back instead:\n"
             "\n"
             "    whimbrel rollback --steps 3"},
    {.code = "no-seeds",
     .title = "there are no seeds of that name",
     .text = "Seeds are files in the folder seeds beside the migrations.\n"
             "\n"
             "    migrations/seeds/development.sql\n"
             "    migrations/seeds/development/01_users.sql"},
    {.code = "no-tag",
     .title = "a change cannot be reworked without a tag behind it",
     .text = "Sqitch tells the two forms of a reworked change apart by the tag between them:\n"
             "\n"
             "    whimbrel tag v1.2 --note \"as released\"\n"
             "    whimbrel rework NAME\n"
             "\n"
             "What is deployed nowhere yet needs neither: edit its scripts."},
    {.code = "no-transactional-ddl",
     .title = "this engine cannot undo DDL",
     .text = "On MySQL and MariaDB each CREATE, ALTER and DROP commits by itself, so that a\n"
             "run cannot be tried and taken back, nor be one transaction.\n"
             "\n"
             "    whimbrel plan"},
    {.code = "node-not-ready",
     .title = "a Galera node outside its cluster",
     .text = "The node runs, but is cut off from most of the others, or is still being given\n"
             "their data. It neither reads nor writes until then (SHOW STATUS LIKE\n"
             "'wsrep_ready').\n"
             "Name several nodes, and the first that is ready is taken:\n"
             "\n"
             "    mysql://app@db1,db2,db3/shop"},
    {.code = "not-a-database",
     .title = "the file is no SQLite database",
     .text = "It is another kind of file, or encrypted. Look at the path in the URL."},
    {.code = "not-convertible",
     .title = "this cannot be said in the form of the other tool",
     .text = "Converted files are read back by the other convention's own reader before\n"
             "anything is written. A migration in a host language has no SQL to write down; a\n"
             "comment that is a marker to the other tool would change what runs; a history that\n"
             "keeps only how far a database is cannot say that there is a gap.\n"
             "The message names the file. Nothing was written."},
    {.code = "not-in-convention",
     .title = "the tool whose convention holds has no such thing",
     .text = "For instance repeatable migrations with SQLx. 'whimbrel conventions' says what\n"
             "is in force."},
    {.code = "not-settled",
     .title = "what is not settled is not converted",
     .text = "A migration has failed, stopped half-way, differs from what was applied, or has no\n"
             "file any more. The other history could not say that as exactly as this one does.\n"
             "Settle it first:\n"
             "\n"
             "    whimbrel status\n"
             "    whimbrel resume      or: whimbrel repair"},
    {.code = "not-utf8",
     .title = "the file is not UTF-8",
     .text = "The place of the first wrong byte is shown. Convert it:\n"
             "\n"
             "    iconv -f latin1 -t utf-8 old.sql > new.sql"},
    {.code = "not-yet",
     .title = "this version does not have it yet",
     .text = "The command or option belongs to a later release."},
    {.code = "nothing-applied",
     .title = "nothing is applied yet",
     .text = "A tag marks what was applied last, and the history is empty; or, with Sqitch, what\n"
             "was planned last, and the plan is.\n"
             "\n"
             "    whimbrel migrate"},
    {.code = "nothing-to-resume",
     .title = "no migration has stopped half-way",
     .text = "There is nothing to go on with. 'whimbrel status' shows where the database is."},
    {.code = "nul-byte",
     .title = "the file holds a NUL byte",
     .text = "SQL text cannot. It is a binary file, or was stored as UTF-16: convert it to\n"
             "UTF-8."},
    {.code = "open-transaction",
     .title = "a transaction is open that should not be",
     .text = "The application's connection is inside a transaction, or a migration left one\n"
             "open. Commit or roll back first."},
    {.code = "out-of-order",
     .title = "it is older than what is applied already",
     .text = "It arrived late, usually from another branch. Applied now, databases would\n"
             "have seen the migrations in different orders.\n"
             "\n"
             "    whimbrel rebase                   gives it a version behind the others\n"
             "    whimbrel migrate --out-of-order   applies it as it is"},
    {.code = "packet-too-large",
     .title = "a statement is larger than the server takes",
     .text = "MySQL and MariaDB refuse statements above max_allowed_packet. Raise it on the\n"
             "server, or write the statement as several."},
    {.code = "partial-migration",
     .title = "a migration stopped half-way",
     .text = "Statements that commit by themselves ran, and then one failed or the run was\n"
             "ended. The history says how many.\n"
             "\n"
             "    whimbrel status\n"
             "    whimbrel resume       goes on after the last that ran\n"
             "    whimbrel rollback     runs its down"},
    {.code = "pending",
     .title = "the program's migrations are not all applied",
     .text = "A program that carries its migrations was asked whether the database fits, and\n"
             "some are still to be applied.\n"
             "\n"
             "    whimbrel migrate"},
    {.code = "phase-order",
     .title = "a contracting migration would run before an expanding one",
     .text = "Directives put these migrations into phases: first expand (add), then contract\n"
             "(remove). One that contracts was to run while one before it is not applied.\n"
             "\n"
             "    whimbrel migrate --phase expand\n"
             "    whimbrel migrate --phase contract"},
    {.code = "placeholder-form",
     .title = "a placeholder is not written as it must be",
     .text = "    ${name}      letters, digits, underscore, dot and hyphen\n"
             "    $${          a literal ${"},
    {.code = "placeholder-unset",
     .title = "a placeholder has no value",
     .text = "The project turns placeholders on, and the migration names one that nobody has\n"
             "set.\n"
             "\n"
             "    whimbrel migrate --set owner=app\n"
             "    [placeholder]\n"
             "    owner = \"app\"\n"
             "\n"
             "If ${...} is meant literally, write $${."},
    {.code = "plan-outdated",
     .title = "files or database are not what the plan was made from",
     .text = "A saved plan runs only as it was looked at. Something has changed since: make\n"
             "it anew, and look again.\n"
             "\n"
             "    whimbrel plan --save release.plan"},
    {.code = "pooled-session",
     .title = "a setting would not reach the statement it is meant for",
     .text = "A proxy that pools transactions gives each one whatever session is free. What a\n"
             "migration sets for its session (SET without LOCAL) is gone with its transaction,\n"
             "and a statement that cannot run in one, such as CREATE INDEX CONCURRENTLY, would\n"
             "run without it. Give the server's own address for this migration, or leave the\n"
             "setting out: name schemas in full, use SET LOCAL within a transaction."},
    {.code = "precondition-failed",
     .title = "a changeset finds the database not as it wants it",
     .text =
         "Liquibase's changesets may ask for something before they run, and this one says that\n"
         "the run is to stop (onFail:HALT, which is the default). What came before it is done.\n"
         "Bring about what it asks for, or let it say MARK_RAN or CONTINUE."},
    {.code = "psql-command",
     .title = "a command of psql, not SQL",
     .text = "Backslash commands are psql's own and mean nothing to the server. \\restrict\n"
             "and \\unrestrict, which pg_dump writes, are passed over.\n"
             "Take it out; for \\copy use COPY ... FROM STDIN with the data, for \\i put the\n"
             "text into the migration."},
    {.code = "read-only",
     .title = "the database cannot be written to",
     .text = "A standby server, a read-only session, a file without write permission, or\n"
             "mode=ro in the URL. Nothing was changed.\n"
             "Connect to the primary, or look at the file's permissions.\n"
             "\n"
             "    whimbrel doctor"},
    {.code = "repair-outdated",
     .title = "what would be repaired is not what was shown",
     .text = "Between showing the list and carrying it out, files or history changed.\n"
             "Nothing was done: look again."},
    {.code = "repeatable-only",
     .title = "the last run applied repeatables only",
     .text = "Those have no way back. Say how far to go back in versions.\n"
             "\n"
             "    whimbrel rollback --steps 1"},
    {.code = "requires",
     .title = "a migration requires another",
     .text = "A directive says so: '-- whimbrel: requires=VERSION'. What it requires is not\n"
             "applied, or would be rolled back before it.\n"
             "Apply that one first, or roll both back."},
    {.code = "reset-refused",
     .title = "destroying data is not allowed here",
     .text = "reset, drop and 'database drop' want allow_reset = true in the configuration,\n"
             "best in the table of an environment that holds nothing of value:\n"
             "\n"
             "    [env.development]\n"
             "    allow_reset = true"},
    {.code = "resumed-prefix-changed",
     .title = "what has run already was changed in the file",
     .text = "A migration stopped half-way, and the file's statements before that place are\n"
             "no longer those that ran. Going on could repeat or miss something.\n"
             "Put those statements back as they were; what comes after them may be changed.\n"
             "If you know where to go on:\n"
             "\n"
             "    whimbrel resume --from 4"},
    {.code = "same-convention",
     .title = "the project has that convention already",
     .text = "There is nothing to convert. If that is not so, say what it is now:\n"
             "\n"
             "    whimbrel --convention goose convert --to whimbrel"},
    {.code = "serialization",
     .title = "transactions could not be put into an order",
     .text = "Another transaction changed the same rows. This one was rolled back whole and\n"
             "tried again; after lock_retries it gave up.\n"
             "Run the command again."},
    {.code = "setuid",
     .title = "the program has rights that its caller does not have",
     .text =
         "Settings, the environment and the migrations' folder say which files are read and which\n"
         "programs are run. With a setuid or setgid bit on whimbrel they would do so with "
         "another's\n"
         "rights, so it does nothing at all.\n"
         "\n"
         "    chmod u-s,g-s /usr/bin/whimbrel"},
    {.code = "several-heads",
     .title = "head could be any of several revisions",
     .text =
         "In a graph of revisions, as Alembic has it, two people may have added one behind the\n"
         "same revision. Say which is meant by its version, or heads for all of them. A\n"
         "revision that merges them (alembic merge heads) makes them one again."},
    {.code = "several-lines",
     .title = "several lines go on from there, and none of them is the one that was named",
     .text = "What stands before the @ names a line, and the revision that is counted from\n"
             "has successors in other lines only.\n"
             "Name a revision or a label of the line that is meant:\n"
             "\n"
             "    whimbrel migrate --to ae1027a@+2"},
    {.code = "statement-in-doubt",
     .title = "it is not known whether a statement has run",
     .text = "The connection broke while it was under way, and the catalog cannot tell: it\n"
             "changed data, not structure. Look at the data, then say so:\n"
             "\n"
             "    whimbrel resume --skip        it has run\n"
             "    whimbrel resume --from 4      it has not: run it (again)"},
    {.code = "statement-pooling",
     .title = "the proxy in between pools statements",
     .text = "Each statement may reach another session, and no transaction can be had. Give the\n"
             "server's own address, or that of a pool of sessions or transactions."},
    {.code = "statement-timeout",
     .title = "a statement ran longer than it may",
     .text = "statement_timeout, of whimbrel or of the server, ended it, and its transaction\n"
             "was rolled back.\n"
             "\n"
             "    whimbrel migrate --statement-timeout 30min\n"
             "    -- whimbrel: statement-timeout=30min        for one migration"},
    {.code = "statement-too-long",
     .title = "a statement is longer than whimbrel takes",
     .text = "Usually a quote that is never closed makes the rest of the file one statement.\n"
             "The message says where it begins."},
    {.code = "sum-mismatch",
     .title = "the file of checksums does not fit the files",
     .text = "A migration was changed, added or taken away and atlas.sum was not written anew.\n"
             "If the files are right as they are, 'whimbrel repair' or 'atlas migrate hash'\n"
             "writes it."},
    {.code = "target-not-empty",
     .title = "the history to write into has entries already",
     .text = "The table of the convention that is wanted holds a history, and another one than\n"
             "this conversion would write. Two histories cannot be merged. Give the new one a\n"
             "table of its own:\n"
             "\n"
             "    whimbrel convert --to dbmate --to-table dbmate_migrations"},
    {.code = "tls",
     .title = "no encrypted connection could be made",
     .text = "The certificate is not trusted, has another name, or the server has no TLS.\n"
             "Look at sslmode and sslrootcert (PostgreSQL), ssl-mode and ssl-ca (MySQL) in\n"
             "the URL."},
    {.code = "toml",
     .title = "whimbrel.toml cannot be read",
     .text = "It is not valid TOML at the place shown. Strings stand in quotes.\n"
             "\n"
             "    database = \"sqlite:app.db\""},
    {.code = "too-deep",
     .title = "blocks nested too deep",
     .text = "BEGIN ... END blocks within each other beyond any sensible number: probably an\n"
             "END is missing."},
    {.code = "too-many-arguments",
     .title = "more words than the command takes",
     .text = "A name with blanks wants quotes: whimbrel new \"add order status\"."},
    {.code = "too-many-connections",
     .title = "the server has no connection left",
     .text = "Close others, wait, or raise max_connections on the server."},
    {.code = "transaction-control",
     .title = "BEGIN, COMMIT or ROLLBACK that do not make a pair",
     .text = "BEGIN ... COMMIT in a file is taken over: its statements run as one\n"
             "transaction. A ROLLBACK, a COMMIT without BEGIN, or the other way round, would\n"
             "take the history's row with it.\n"
             "Take them out: each migration runs in a transaction by itself."},
    {.code = "unknown-code",
     .title = "there is no page of that name",
     .text = "'whimbrel explain' without a code lists every page that there is."},
    {.code = "unknown-command",
     .title = "there is no such command",
     .text = "'whimbrel --help' lists all commands, 'whimbrel help COMMAND' tells about one."},
    {.code = "unknown-convention",
     .title = "there is no such convention",
     .text = "'whimbrel conventions' lists them, and says which one this project has."},
    {.code = "unknown-directive",
     .title = "a directive that does not exist",
     .text = "Comments that begin with 'whimbrel:' are directives; a slip in one would\n"
             "otherwise be passed over in silence.\n"
             "Known: no-transaction, lock-timeout, statement-timeout, lock-retries, phase,\n"
             "requires, allow, reason, engine."},
    {.code = "unknown-environment",
     .title = "the configuration has no table for this environment",
     .text = "It has tables for others, so that the name is probably a slip. An empty table\n"
             "will do where nothing differs:\n"
             "\n"
             "    [env.staging]"},
    {.code = "unknown-option",
     .title = "the command has no such option",
     .text = "'whimbrel COMMAND --help' lists those that it has. Options cannot be\n"
             "shortened, so that scripts go on working when new ones are added."},
    {.code = "unknown-setting",
     .title = "whimbrel.toml holds a key that does not exist",
     .text = "A slip in a key would otherwise leave the default in force. 'whimbrel config'\n"
             "lists all keys."},
    {.code = "unknown-version",
     .title = "there is no such migration",
     .text = "Neither on disk nor in the history. A version, a unique prefix, a name, head,\n"
             "base, +N and -N are understood.\n"
             "\n"
             "    whimbrel status"},
    {.code = "unmet-dependency",
     .title = "what a change depends on is not as it should be",
     .text = "Sqitch's plan says what has to be deployed before a change, and what must not be\n"
             "there. For other projects (\"other:change\") the registry of the database knows.\n"
             "Deploy or revert that one first; nothing of the change that is named has run."},
    {.code = "unreachable",
     .title = "the database cannot be brought there",
     .text = "Something on the way cannot be rolled back or applied: no down, another\n"
             "engine, marked as deleted, a baseline. The message says which."},
    {.code = "unsupported-directive",
     .title = "a directive that this version does not carry out",
     .text = "It is known, but belongs to a later release. Running the migration without it\n"
             "could do harm, so that it is refused."},
    {.code = "unterminated",
     .title = "a quote, comment or body is not closed",
     .text = "The place shown is where it opened: that is where to look. An apostrophe\n"
             "inside a string is written twice.\n"
             "\n"
             "    'it''s'"},
    {.code = "variable-unset",
     .title = "whimbrel.toml names a variable that is not set",
     .text = "${NAME} is replaced by a variable of the environment or of .env. Set it, or\n"
             "write $${ for a literal ${."},
    {.code = "verify-failed",
     .title = "a migration ran, and its verify script failed",
     .text = "The verify script asks for what the migration should have made. What it asked is\n"
             "shown with its line. The migration was taken back by its revert script, if it has\n"
             "one; those before it stay. 'whimbrel validate --verify' runs the scripts of all."},
    {.code = "wrong-engine",
     .title = "the files are for another engine",
     .text = "Beside the migrations it says which engine they are written for, and the database\n"
             "is of another one. Nothing was run.\n"
             "Name the right database (-d URL), or the right folder (-m DIR)."},
    {.code = "wrong-password",
     .title = "the server refused the password",
     .text = "Look at the user in the URL, and at where the password comes from: --password-\n"
             "file, the URL, password_command, PGPASSWORD or ~/.pgpass, MYSQL_PWD or\n"
             "~/.my.cnf.\n"
             "\n"
             "    whimbrel config"},
    {0},
};
