/* The door of base/: memory, strings, collections, errors, files, time, hashes, JSON, faults. Knows nothing of
 * databases. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_BASE_BASE_H
#define WHIMBREL_BASE_BASE_H

#include "base/arena.h"
#include "base/aside.h"
#include "base/clock.h"
#include "base/dotenv.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/file_tree.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/json5.h"
#include "base/markup.h"
#include "base/str.h"
#include "base/suggest.h"
#include "base/toml.h"
#include "base/vec.h"

#endif
