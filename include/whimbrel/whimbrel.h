/* The library: schema migrations for PostgreSQL, MySQL/MariaDB and SQLite. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_WHIMBREL_H
#define WHIMBREL_WHIMBREL_H

#if defined(__GNUC__)
#define WHIMBREL_API __attribute__((visibility("default")))
#else
#define WHIMBREL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is linked in, "0.1.0". Static text. */
WHIMBREL_API const char *whimbrel_version(void);

#ifdef __cplusplus
}
#endif

#endif
