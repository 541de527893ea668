/* The questions that the MySQL driver asks the server's catalogs, in plain SQL: no client's header here.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_DB_MYSQL_CATALOG_H
#define WHIMBREL_DB_MYSQL_CATALOG_H

#include "db/driver.h"

/* All are the driver's functions of like name; see DbDriver. */
bool mysql_has_table(Db *db, Str name, bool *ret_has, Error *err);
bool mysql_has_table_question(Arena *arena, Str name, Str *ret_sql, Error *err);
bool mysql_has_effect(Db *db, Str statement, const SqlInfo *info, bool *ret_is_known,
                      bool *ret_has_run, Error *err);
bool mysql_lock_try(Db *db, DbLockKey key, bool *ret_is_ours, Error *err);
bool mysql_unlock(Db *db, DbLockKey key, Error *err);
bool mysql_lock_question(Arena *arena, DbLockKey key, Str *ret_sql, Error *err);
bool mysql_unlock_question(Arena *arena, DbLockKey key, Str *ret_sql, Error *err);
bool mysql_lock_holder(Db *db, Arena *arena, DbLockKey key, DbSession *ret_holder, bool *ret_has,
                       Error *err);
bool mysql_kill_session(Db *db, Str id, Error *err);
bool mysql_blockers(Db *db, Arena *arena, Str table, DbSessionVec *ret_sessions, Error *err);
bool mysql_waiting(Db *db, Arena *arena, Str session, Str table, DbWaiting *ret_waiting,
                   Error *err);
bool mysql_long_transactions(Db *db, Arena *arena, int64_t older_than_ms,
                             DbSessionVec *ret_sessions, Error *err);
bool mysql_work(Db *db, Arena *arena, Str session, Str table, DbWork *ret_work, Error *err);
bool mysql_drop_all(Db *db, Arena *arena, const StrVec *schemas, DbStatementVec *ret_statements,
                    Error *err);

#endif
