/* Digests, hexadecimal, compression. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"

static void digests_are_the_published_ones(void **state)
{
    (void)state;
    static const struct {
        HashKind kind;
        const char *text, *digest;
    } cases[] = {
        {HASH_MD5, "", "d41d8cd98f00b204e9800998ecf8427e"},
        {HASH_MD5, "message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {HASH_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {HASH_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {HASH_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {HASH_SHA384, "abc",
         "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca13"
         "4c825a7"},
    };
    scoped(Arena *, arena_freep) arena = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char digest[HASH_MAX_BYTES];
        Hash hash;
        hash_begin(&hash, cases[i].kind);
        hash_add(&hash, str_from(cases[i].text));
        hash_add(&hash, (Str){0});
        size_t len = hash_end(&hash, digest);
        assert_string_equal(hex_encode(arena, digest, len), cases[i].digest);
    }
}

static void pieces_and_copies_make_the_same_digest(void **state)
{
    (void)state;
    char text[300];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 7);
    for (int kind = HASH_MD5; kind <= HASH_SHA384; kind++) {
        unsigned char whole[HASH_MAX_BYTES], pieces[HASH_MAX_BYTES], copied[HASH_MAX_BYTES];
        Hash hash;
        hash_begin(&hash, (HashKind)kind);
        hash_add(&hash, (Str){text, sizeof text});
        size_t len = hash_end(&hash, whole);
        for (size_t cut = 0; cut <= sizeof text; cut += 13) {
            hash_begin(&hash, (HashKind)kind);
            hash_add(&hash, (Str){text, cut});
            Hash copy = hash;
            hash_add(&hash, (Str){text + cut, sizeof text - cut});
            hash_add(&copy, (Str){text + cut, sizeof text - cut});
            assert_int_equal(hash_end(&hash, pieces), len);
            assert_int_equal(hash_end(&copy, copied), len);
            assert_memory_equal(whole, pieces, len);
            assert_memory_equal(whole, copied, len);
        }
    }
}

/* As Rust feeds it with a name, a version of 32 or 64 bits and a text: values that refinery's own tests and binaries gave. */
static void siphash_is_that_of_rust(void **state)
{
    (void)state;
    static const char narrow[] = {1, 0, 0, 0}, wide[] = {1, 0, 0, 0, 0, 0, 0, 0};
#define A "CREATE TABLE t (id INT);\nINSERT INTO t VALUES (1);\n"
#define CRLF "CREATE TABLE t (id INT);\r\nINSERT INTO t VALUES (1);\r\n"
    static const struct {
        Str text;
        uint64_t narrow, wide;
    } cases[] = {
        {{A, sizeof A - 1}, 15235138002516861525u, 3346843387501048934u},
        {{CRLF, sizeof CRLF - 1}, 8486299330030923024u, 4868397141803262445u},
        {{"\xef\xbb\xbf" A, sizeof A + 2}, 9519954557240356969u, 17495694028787814608u},
        {{A, sizeof A - 2}, 12703060979894781626u, 11768389851091688900u},
        {{0}, 799725506757761688u, 1741729186597674287u},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const Str pieces[] = {
            STR("initial"), STR("\xff"), {narrow, sizeof narrow}, cases[i].text, STR("\xff")};
        Str others[5];
        memcpy(others, pieces, sizeof pieces);
        others[2] = (Str){wide, sizeof wide};
        assert_true(siphash13_of(pieces, 5) == cases[i].narrow);
        assert_true(siphash13_of(others, 5) == cases[i].wide);
    }
}

static void the_checksum_is_zlibs(void **state)
{
    (void)state;
    assert_int_equal(crc32_of(STR("123456789")), 0xcbf43926);
    assert_int_equal(crc32_of((Str){0}), 0);
}

static void hexadecimal_goes_both_ways(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    unsigned char all[256];
    for (unsigned i = 0; i < 256; i++)
        all[i] = (unsigned char)i;
    char *hex = hex_encode(arena, all, sizeof all);
    assert_int_equal(strlen(hex), 512);
    Str back;
    assert_true(hex_decode(arena, str_from(hex), &back));
    assert_int_equal(back.len, 256);
    assert_memory_equal(back.ptr, all, 256);
    assert_true(hex_decode(arena, STR("DEADbeef"), &back));
    assert_memory_equal(back.ptr, "\xde\xad\xbe\xef", 4);
    assert_true(hex_decode(arena, STR(""), &back));
    assert_int_equal(back.len, 0);
    assert_false(hex_decode(arena, STR("abc"), &back));
    assert_false(hex_decode(arena, STR("0g"), &back));
    assert_false(hex_decode(arena, STR("0x"), &back));
    assert_string_equal(hex_encode(arena, NULL, 0), "");
}

/* Text that compresses somewhat, and the same every time. */
static Str some_text(Arena *arena, size_t len)
{
    char *text = arena_alloc(arena, len + 1);
    uint32_t x = 12345;
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        text[i] = "CREATE TABLE (id integer);\n"[(x >> 24) % 27];
    }
    return (Str){text, len};
}

static void what_is_compressed_comes_back(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    static const size_t sizes[] = {0, 1, 100, 16383, 16384, 16385, 32768, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Str text = some_text(arena, sizes[i]), compressed, back;
        assert_true(bytes_compress(arena, text, &compressed, &err));
        assert_true(bytes_expand(arena, compressed, sizes[i], &back, &err));
        assert_true(str_eq(back, text));
        if (sizes[i] == 0)
            continue;
        assert_false(bytes_expand(arena, compressed, sizes[i] - 1, &back, &err));
        assert_int_equal(err.kind, ERROR_PARSE);
        assert_non_null(strstr(err.message, "larger than"));
    }
    Str compressed;
    assert_true(bytes_compress(arena, (Str){0}, &compressed, &err));
}

static void damaged_text_is_never_taken(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    Str text = some_text(arena, 500), compressed, back;
    assert_true(bytes_compress(arena, text, &compressed, &err));
    char *bytes = str_z(arena, compressed);
    for (size_t i = 0; i < compressed.len; i++) {
        assert_false(bytes_expand(arena, (Str){bytes, i}, 1000, &back, &err));
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] = (char)(bytes[i] ^ 1 << bit);
            /* Some bits of the header mean nothing; then the text must be the right one. */
            if (bytes_expand(arena, (Str){bytes, compressed.len}, 1000, &back, &err))
                assert_true(str_eq(back, text));
            else
                assert_int_equal(err.kind, ERROR_PARSE);
            bytes[i] = (char)(bytes[i] ^ 1 << bit);
        }
    }
    assert_false(bytes_expand(arena, (Str){0}, 1000, &back, &err));
    assert_false(bytes_expand(arena, (Str){bytes, compressed.len + 1}, 1000, &back, &err));
    assert_non_null(strstr(err.message, "follows"));
}

static void random_bytes_differ(void **state)
{
    (void)state;
    unsigned char a[600] = {0}, b[600] = {0};
    assert_true(random_bytes(a, sizeof a, NULL));
    assert_true(random_bytes(b, sizeof b, NULL));
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a, a + 300, 300);
    assert_true(random_bytes(a, 0, NULL));
}

UNIT_TESTS(hash) = {
    cmocka_unit_test(digests_are_the_published_ones),
    cmocka_unit_test(pieces_and_copies_make_the_same_digest),
    cmocka_unit_test(siphash_is_that_of_rust),
    cmocka_unit_test(the_checksum_is_zlibs),
    cmocka_unit_test(hexadecimal_goes_both_ways),
    cmocka_unit_test(what_is_compressed_comes_back),
    cmocka_unit_test(damaged_text_is_never_taken),
    cmocka_unit_test(random_bytes_differ),
};
UNIT_TESTS_END(hash)
