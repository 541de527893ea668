/* Digests by nettle, CRC and streams by zlib. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <nettle/md5.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <sys/random.h>
#include <zlib.h>

/* The header promises plain data without showing nettle's types: they have to fit into it. */
typedef union NettleState {
    struct md5_ctx md5;
    struct sha1_ctx sha1;
    struct sha256_ctx sha256;
    struct sha512_ctx sha384;
} NettleState;

_Static_assert(sizeof(NettleState) <= sizeof(((Hash *)0)->state), "Hash.state is too small");
_Static_assert(_Alignof(NettleState) <= _Alignof(Hash), "Hash.state is not aligned enough");
_Static_assert(SHA384_DIGEST_SIZE <= HASH_MAX_BYTES, "HASH_MAX_BYTES is too small");

static NettleState *nettle_state(Hash *hash)
{
    return (NettleState *)(void *)hash->state.bytes;
}

void hash_begin(Hash *hash, HashKind kind)
{
    *hash = (Hash){.kind = kind};
    switch (kind) {
    case HASH_MD5:
        md5_init(&nettle_state(hash)->md5);
        return;
    case HASH_SHA1:
        sha1_init(&nettle_state(hash)->sha1);
        return;
    case HASH_SHA256:
        sha256_init(&nettle_state(hash)->sha256);
        return;
    case HASH_SHA384:
        sha384_init(&nettle_state(hash)->sha384);
        return;
    }
}

void hash_add(Hash *hash, Str bytes)
{
    const unsigned char *ptr = (const unsigned char *)bytes.ptr;
    if (bytes.len == 0)
        return;
    switch (hash->kind) {
    case HASH_MD5:
        md5_update(&nettle_state(hash)->md5, bytes.len, ptr);
        return;
    case HASH_SHA1:
        sha1_update(&nettle_state(hash)->sha1, bytes.len, ptr);
        return;
    case HASH_SHA256:
        sha256_update(&nettle_state(hash)->sha256, bytes.len, ptr);
        return;
    case HASH_SHA384:
        sha512_update(&nettle_state(hash)->sha384, bytes.len, ptr);
        return;
    }
}

size_t hash_end(Hash *hash, unsigned char digest[HASH_MAX_BYTES])
{
    switch (hash->kind) {
    case HASH_MD5:
        md5_digest(&nettle_state(hash)->md5, MD5_DIGEST_SIZE, digest);
        return MD5_DIGEST_SIZE;
    case HASH_SHA1:
        sha1_digest(&nettle_state(hash)->sha1, SHA1_DIGEST_SIZE, digest);
        return SHA1_DIGEST_SIZE;
    case HASH_SHA256:
        sha256_digest(&nettle_state(hash)->sha256, SHA256_DIGEST_SIZE, digest);
        return SHA256_DIGEST_SIZE;
    case HASH_SHA384:
        sha384_digest(&nettle_state(hash)->sha384, SHA384_DIGEST_SIZE, digest);
        return SHA384_DIGEST_SIZE;
    }
    return 0;
}

uint32_t crc32_add(uint32_t crc, Str bytes)
{
    return (uint32_t)crc32_z(crc, (const unsigned char *)(bytes.ptr ? bytes.ptr : ""), bytes.len);
}

/* SipHash by Jean-Philippe Aumasson and Daniel J. Bernstein, "SipHash: a fast short-input PRF" (2012), with one round a word and three at the
 * end. */
typedef struct SipHash {
    uint64_t v0, v1, v2, v3;
} SipHash;

static uint64_t rotated(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(SipHash *sip)
{
    sip->v0 += sip->v1;
    sip->v1 = rotated(sip->v1, 13) ^ sip->v0;
    sip->v0 = rotated(sip->v0, 32);
    sip->v2 += sip->v3;
    sip->v3 = rotated(sip->v3, 16) ^ sip->v2;
    sip->v0 += sip->v3;
    sip->v3 = rotated(sip->v3, 21) ^ sip->v0;
    sip->v2 += sip->v1;
    sip->v1 = rotated(sip->v1, 17) ^ sip->v2;
    sip->v2 = rotated(sip->v2, 32);
}

static void sip_word(SipHash *sip, uint64_t word)
{
    sip->v3 ^= word;
    sip_round(sip);
    sip->v0 ^= word;
}

uint64_t siphash13_of(const Str *pieces, size_t count)
{
    SipHash sip = {0x736f6d6570736575, 0x646f72616e646f6d, 0x6c7967656e657261, 0x7465646279746573};
    uint64_t word = 0, len = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < pieces[i].len; j++) {
            word |= (uint64_t)(unsigned char)pieces[i].ptr[j] << (8 * (len % 8));
            if (++len % 8 != 0)
                continue;
            sip_word(&sip, word);
            word = 0;
        }
    }
    sip_word(&sip, word | len << 56);
    sip.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&sip);
    return sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
}

uint32_t crc32_of(Str bytes)
{
    return crc32_add(0, bytes);
}

static const char hex_digits[] = "0123456789abcdef";

char *hex_encode(Arena *arena, const void *bytes, size_t len)
{
    StrBuf buf = strbuf(arena);
    Str text;
    strbuf_add_hex(&buf, (Str){bytes, len});
    return strbuf_finish(&buf, &text) ? buf.ptr : NULL;
}

void strbuf_add_hex(StrBuf *buf, Str bytes)
{
    char hex[256];
    size_t len = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.ptr[i];
        hex[len++] = hex_digits[byte >> 4];
        hex[len++] = hex_digits[byte & 15];
        if (len == sizeof hex || i + 1 == bytes.len) {
            strbuf_add(buf, (Str){hex, len});
            len = 0;
        }
    }
}

int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

void strbuf_add_base64(StrBuf *buf, Str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t count = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t three = 0;
        for (size_t j = 0; j < 3; j++)
            three = three << 8 | (j < count ? (unsigned char)bytes.ptr[i + j] : 0U);
        for (size_t j = 0; j < 4; j++)
            strbuf_add_char(buf, j <= count ? digits[three >> (18 - 6 * j) & 63] : '=');
    }
}

bool hex_decode(Arena *arena, Str hex, Str *ret_bytes)
{
    if (hex.len % 2 != 0)
        return false;
    char *bytes = arena_alloc(arena, hex.len / 2 + 1);
    if (!bytes)
        return false;
    for (size_t i = 0; i < hex.len; i += 2) {
        int high = hex_value(hex.ptr[i]), low = hex_value(hex.ptr[i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i / 2] = (char)(high * 16 + low);
    }
    *ret_bytes = (Str){bytes, hex.len / 2};
    return true;
}

bool bytes_compress(Arena *arena, Str bytes, Str *ret_compressed, Error *err)
{
    uLongf len = compressBound((uLong)bytes.len);
    unsigned char *out = arena_alloc(arena, len);
    if (!out)
        return error_nomem(err);
    const unsigned char *in = (const unsigned char *)(bytes.ptr ? bytes.ptr : "");
    /* The bound leaves no other reason to fail. */
    if (compress2(out, &len, in, (uLong)bytes.len, Z_DEFAULT_COMPRESSION) != Z_OK)
        return error_nomem(err);
    *ret_compressed = (Str){(char *)out, len};
    return true;
}

static void inflate_done(z_stream *stream)
{
    inflateEnd(stream);
}

bool bytes_expand(Arena *arena, Str compressed, uint64_t limit_bytes, Str *ret_bytes, Error *err)
{
    scoped(z_stream, inflate_done) stream = {0};
    StrBuf out = strbuf(arena);
    unsigned char piece[16384];
    size_t taken = 0;
    int status = Z_OK;

    if (inflateInit(&stream) != Z_OK)
        return error_nomem(err);
    while (status != Z_STREAM_END) {
        if (stream.avail_in == 0 && taken < compressed.len) {
            size_t left = compressed.len - taken;
            size_t some = left < sizeof piece ? left : sizeof piece;
            /* zlib takes the input by a pointer without const, and does not write to it. */
            union {
                const char *in;
                unsigned char *out;
            } cast = {.in = compressed.ptr + taken};
            stream.next_in = cast.out;
            stream.avail_in = (uInt)some;
            taken += some;
        }
        stream.next_out = piece;
        stream.avail_out = sizeof piece;
        status = inflate(&stream, Z_NO_FLUSH);
        if (status == Z_MEM_ERROR)
            return error_nomem(err);
        if (status != Z_OK && status != Z_STREAM_END)
            return error_set(err, ERROR_PARSE, "the compressed text is damaged");
        size_t got = sizeof piece - stream.avail_out;
        if (out.len + got > limit_bytes)
            return error_set(err, ERROR_PARSE, "the compressed text is larger than %llu bytes",
                             (unsigned long long)limit_bytes);
        strbuf_add(&out, (Str){(char *)piece, got});
    }
    if (stream.avail_in > 0 || taken < compressed.len)
        return error_set(err, ERROR_PARSE, "something follows the end of the compressed text");
    return strbuf_finish(&out, ret_bytes) || error_nomem(err);
}

bool random_bytes(void *buf, size_t len, Error *err)
{
    char *ptr = buf;
    while (len > 0) {
        ssize_t got = getrandom(ptr, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(err, errno, "cannot get random bytes");
        ptr += got;
        len -= (size_t)got;
    }
    return true;
}
