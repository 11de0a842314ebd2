/* bridge/crc32c.c: CRC-32C (Castagnoli), RFC 3720 appendix B.4 and section 12.1.
 *
 * Eight bytes a step, from eight tables computed at first use; where the processor has an instruction for it (SSE4.2,
 * asked at run time; ARMv8 CRC, known when compiling) that is used instead: a distribution's build serves both.
 *
 * On x86 the instruction gives its result after three cycles but can begin every cycle: long inputs are taken as three
 * strands side by side, joined by carry-less products. ARM would gain the same way.
 */
#include "bridge/crc32c.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

enum { STEP = 8 };

static const uint32_t polynomial = 0x82f63b78u; /* 0x1edc6f41 with its bits reversed */

static uint32_t tables[STEP][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void tables_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
        tables[0][i] = crc;
    }
    for (int t = 1; t < STEP; t++)
        for (int i = 0; i < 256; i++)
            tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 0xff];
}

static uint32_t step_8(uint32_t crc, const uint8_t *p)
{
    uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
    return tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^ tables[4][low >> 24] ^
           tables[3][p[4]] ^ tables[2][p[5]] ^ tables[1][p[6]] ^ tables[0][p[7]];
}

uint32_t weft__crc32c_portable(uint32_t crc, const void *bytes, size_t length)
{
    const uint8_t *p = bytes;
    (void)pthread_once(&tables_once, tables_init);
    crc = ~crc;
    for (; length >= STEP; p += STEP, length -= STEP)
        crc = step_8(crc, p);
    for (; length > 0; p++, length--)
        crc = crc >> 8 ^ tables[0][(crc ^ *p) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)

#define WITH_CRC __attribute__((target("sse4.2,pclmul")))

enum { STRANDS = 3, LONG_BYTES = 1024, SHORT_BYTES = 128 };

/* What a strand is multiplied with to stand before one or two others: x^(8n-33) modulo the polynomial, bits reversed,
 * n being the bytes that follow. */
typedef struct strand_shift {
    size_t bytes; /* of one strand */
    uint32_t by_one;
    uint32_t by_two;
} strand_shift;

static const strand_shift long_shift = {LONG_BYTES, 0x170076fa, 0xa51b6135};
static const strand_shift short_shift = {SHORT_BYTES, 0x0d3b6092, 0xb9e02b86};

static inline uint64_t word_read(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

WITH_CRC static inline __m128i strand_move(uint64_t crc, uint32_t by)
{
    return _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc), _mm_cvtsi64_si128((int64_t)by), 0);
}

/* The next STRANDS * shift->bytes bytes. */
WITH_CRC static inline uint64_t strands_take(uint64_t first, const uint8_t *p, const strand_shift *shift)
{
    uint64_t second = 0, third = 0;
    for (const uint8_t *end = p + shift->bytes; p < end; p += STEP) {
        first = _mm_crc32_u64(first, word_read(p));
        second = _mm_crc32_u64(second, word_read(p + shift->bytes));
        third = _mm_crc32_u64(third, word_read(p + 2 * shift->bytes));
    }
    __m128i moved = _mm_xor_si128(strand_move(first, shift->by_two), strand_move(second, shift->by_one));
    return third ^ _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(moved));
}

WITH_CRC static uint32_t crc_sse42(uint32_t crc, const uint8_t *p, size_t length)
{
    uint64_t wide = ~crc;
    for (; length >= STRANDS * LONG_BYTES; p += STRANDS * LONG_BYTES, length -= STRANDS * LONG_BYTES)
        wide = strands_take(wide, p, &long_shift);
    for (; length >= STRANDS * SHORT_BYTES; p += STRANDS * SHORT_BYTES, length -= STRANDS * SHORT_BYTES)
        wide = strands_take(wide, p, &short_shift);
    for (; length >= STEP; p += STEP, length -= STEP)
        wide = _mm_crc32_u64(wide, word_read(p));
    crc = (uint32_t)wide;
    for (; length > 0; p++, length--)
        crc = _mm_crc32_u8(crc, *p);
    return ~crc;
}

uint32_t weft_crc32c(uint32_t crc, const void *bytes, size_t length)
{
    bool able = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
    return able ? crc_sse42(crc, bytes, length) : weft__crc32c_portable(crc, bytes, length);
}

#elif defined(__ARM_FEATURE_CRC32)

uint32_t weft_crc32c(uint32_t crc, const void *bytes, size_t length)
{
    const uint8_t *p = bytes;
    crc = ~crc;
    for (; length >= STEP; p += STEP, length -= STEP) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        crc = __crc32cd(crc, word);
    }
    for (; length > 0; p++, length--)
        crc = __crc32cb(crc, *p);
    return ~crc;
}

#else

uint32_t weft_crc32c(uint32_t crc, const void *bytes, size_t length)
{
    return weft__crc32c_portable(crc, bytes, length);
}

#endif
