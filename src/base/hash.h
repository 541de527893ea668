/* Digests, hexadecimal, compression. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_BASE_HASH_H
#define WHIMBREL_BASE_HASH_H

#include "base/error.h"

typedef enum HashKind { HASH_MD5, HASH_SHA1, HASH_SHA256, HASH_SHA384 } HashKind;
#define HASH_MAX_BYTES 48

/* A running digest; plain data, no allocation, may be copied. */
typedef struct Hash {
    HashKind kind;
    union {
        unsigned char bytes[512];
        uint64_t align;
    } state;
} Hash;

void hash_begin(Hash *hash, HashKind kind);
void hash_add(Hash *hash, Str bytes);
/* Writes the digest (16, 20, 32 or 48 bytes) and returns its length. The hash must be begun again before further use. */
size_t hash_end(Hash *hash, unsigned char digest[HASH_MAX_BYTES]);

/* SipHash-1-3 with a key of zeros over pieces in a row: what Rust's hashers use. */
uint64_t siphash13_of(const Str *pieces, size_t count);

uint32_t crc32_of(Str bytes); /* CRC-32/ISO-HDLC, zlib's */
/* The same over pieces: crc is what the pieces before gave, 0 before the first. */
uint32_t crc32_add(uint32_t crc, Str bytes);

/* Lower-case hexadecimal, in the arena; NULL when memory is out. */
char *hex_encode(Arena *arena, const void *bytes, size_t len);
void strbuf_add_hex(StrBuf *buf, Str bytes);
/* false: odd, not hexadecimal, or out of memory */
bool hex_decode(Arena *arena, Str hex, Str *ret_bytes);
/* RFC 4648, with padding. */
void strbuf_add_base64(StrBuf *buf, Str bytes);
/* What one digit stands for, of either case; -1 for anything else. */
int hex_value(char c);

/* zlib streams (RFC 1950). expand refuses more than limit_bytes of output. */
bool bytes_compress(Arena *arena, Str bytes, Str *ret_compressed, Error *err);
bool bytes_expand(Arena *arena, Str compressed, uint64_t limit_bytes, Str *ret_bytes, Error *err);

/* Fills with random bytes from the kernel. */
bool random_bytes(void *buf, size_t len, Error *err);

#endif
