/* The pages of `whimbrel explain`. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

const Explanation explanations[] = {
    {0},
};
