/* Named points at which a test build can be made to fail. SPDX-License-Identifier: Apache-2.0
 *
 * Compiled in by -Dfaults=true. WHIMBREL_FAULT=point:nth:action, action one of: fail, kill (SIGKILL), stop (SIGSTOP),
 * ENOSPC, EIO. Several are separated by commas. A release build has none of it. */
#ifndef WHIMBREL_BASE_FAULT_H
#define WHIMBREL_BASE_FAULT_H

#include "base/error.h"

#ifdef WHIMBREL_FAULTS
/* True when this call of the named point is to fail; err is then filled as the real failure would. */
bool fault_hit(const char *point, Error *err);
/* The nth (from 1) allocation from now on fails; 0 switches it off. Per thread. */
void fault_fail_allocation(unsigned nth);
/* Whether the allocation asked for did fail. */
bool fault_fired(void);
bool fault_allocation(void); /* for arena.c: true when this one must fail */
#define FAULT(point, err) fault_hit((point), (err))
#else
#define FAULT(point, err) (false)
#endif

#endif
