/* What every unit test file begins with. SPDX-License-Identifier: Apache-2.0
 *
 *     static void a_sentence_that_says_what_holds(void **state) { ... }
 *
 *     UNIT_TESTS(arena) = {
 *         cmocka_unit_test(a_sentence_that_says_what_holds),
 *     };
 *     UNIT_TESTS_END(arena)
 *
 * The file is added to its room's meson.build, and nothing else; a test that nobody lists is an unused static function,
 * which the compiler refuses. */
#ifndef WHIMBREL_TESTS_UNIT_H
#define WHIMBREL_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The path of this program, for tests that need a process of their own. (/proc/self/exe is Valgrind, under Valgrind.) */
extern const char *unit_program;

void unit_register(const char *file, const struct CMUnitTest *tests, size_t count);

#define UNIT_TESTS(file) static const struct CMUnitTest file##_tests[]

#define UNIT_TESTS_END(file)                                                                       \
    __attribute__((constructor)) static void file##_register(void)                                 \
    {                                                                                              \
        unit_register(#file, file##_tests, sizeof file##_tests / sizeof *file##_tests);            \
    }

#endif
