/* Which version of the library this is. SPDX-License-Identifier: Apache-2.0 */
#include "api/handle.h"

#define TEXT_OF(number) #number
#define VERSION_OF(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

_Static_assert(__builtin_strcmp(WHIMBREL_VERSION,
                                VERSION_OF(WHIMBREL_VERSION_MAJOR, WHIMBREL_VERSION_MINOR,
                                           WHIMBREL_VERSION_PATCH)) == 0,
               "the public header and the build disagree on the version");

const char *whimbrel_version(void)
{
    return WHIMBREL_VERSION;
}
