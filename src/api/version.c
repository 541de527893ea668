/* Which version of the library this is. SPDX-License-Identifier: Apache-2.0 */
#include "whimbrel/whimbrel.h"

const char *whimbrel_version(void)
{
    return WHIMBREL_VERSION;
}
