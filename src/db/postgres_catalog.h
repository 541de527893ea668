/* The questions that the PostgreSQL driver asks the server's catalogs, in plain SQL: no client's header here.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_DB_POSTGRES_CATALOG_H
#define WHIMBREL_DB_POSTGRES_CATALOG_H

#include "db/driver.h"

bool postgres_has_database(Db *db, Str name, bool *ret_exists, Error *err);

/* All others are the driver's functions of like name; see DbDriver. */
bool postgres_has_table(Db *db, Str name, bool *ret_has, Error *err);
bool postgres_has_table_question(Arena *arena, Str name, Str *ret_sql, Error *err);
bool postgres_has_effect(Db *db, Str statement, const SqlInfo *info, bool *ret_is_known,
                         bool *ret_has_run, Error *err);
bool postgres_index_state(Db *db, Str schema, Str name, DbObjectState *ret_state, Error *err);
bool postgres_left_behind(Db *db, Arena *arena, Str statement, const SqlInfo *info,
                          DbStatementVec *ret_first, Str *ret_instead, Error *err);
bool postgres_lock_try(Db *db, DbLockKey key, bool *ret_is_ours, Error *err);
bool postgres_unlock(Db *db, DbLockKey key, Error *err);
bool postgres_lock_question(Arena *arena, DbLockKey key, Str *ret_sql, Error *err);
bool postgres_unlock_question(Arena *arena, DbLockKey key, Str *ret_sql, Error *err);
bool postgres_lock_holder(Db *db, Arena *arena, DbLockKey key, DbSession *ret_holder, bool *ret_has,
                          Error *err);
bool postgres_kill_session(Db *db, Str id, Error *err);
bool postgres_cancel_session(Db *db, Str id, Error *err);
bool postgres_blockers(Db *db, Arena *arena, Str table, DbSessionVec *ret_sessions, Error *err);
bool postgres_waiting(Db *db, Arena *arena, Str session, Str table, DbWaiting *ret_waiting,
                      Error *err);
bool postgres_long_transactions(Db *db, Arena *arena, int64_t older_than_ms,
                                DbSessionVec *ret_sessions, Error *err);
bool postgres_work(Db *db, Arena *arena, Str session, Str table, DbWork *ret_work, Error *err);
bool postgres_drop_all(Db *db, Arena *arena, const StrVec *schemas, DbStatementVec *ret_statements,
                       Error *err);

#endif
