/* tests/bridge/test_crc32c.c: the checksum against the vectors of RFC 3720 B.4, both ways of computing it. */
#include "bridge/crc32c.h"

#include <string.h>

#include "support/suite.h"

typedef uint32_t (*crc_fn)(uint32_t crc, const void *bytes, size_t length);
static const crc_fn both[] = {weft_crc32c, weft__crc32c_portable};

/* RFC 3720 B.4: an iSCSI SCSI Read (10) command PDU. */
static const uint8_t read_pdu[48] = {0x01, 0xc0, 0,    0,    0,    0, 0, 0, 0,    0, 0, 0, 0,    0,
                                     0,    0,    0x14, 0,    0,    0, 0, 0, 0x04, 0, 0, 0, 0,    0x14,
                                     0,    0,    0,    0x18, 0x28, 0, 0, 0, 0,    0, 0, 0, 0x02, 0};

static void gives_the_vectors_of_rfc_3720(void)
{
    uint8_t up[32], down[32], zeros[32] = {0}, ones[32];
    memset(ones, 0xff, sizeof ones);
    for (int i = 0; i < 32; i++) {
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(both[i](0, zeros, 32), 0x8a9136aa);
        CU_ASSERT_EQUAL(both[i](0, ones, 32), 0x62a8ab43);
        CU_ASSERT_EQUAL(both[i](0, up, 32), 0x46dd794e);
        CU_ASSERT_EQUAL(both[i](0, down, 32), 0x113fdb5c);
        CU_ASSERT_EQUAL(both[i](0, read_pdu, 48), 0xd9963a56);
    }
}

static void gives_the_check_value_of_the_catalogue(void)
{
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(both[i](0, "123456789", 9), 0xe3069283);
        CU_ASSERT_EQUAL(both[i](0, "", 0), 0);
    }
}

static void continues_over_any_split(void)
{
    uint8_t bytes[67];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    uint32_t whole = weft_crc32c(0, bytes, sizeof bytes);
    for (size_t i = 0; i < 2; i++)
        for (size_t cut = 0; cut <= sizeof bytes; cut++) {
            uint32_t first = both[i](0, bytes, cut);
            CU_ASSERT_EQUAL(both[i](first, bytes + cut, sizeof bytes - cut), whole);
        }
}

static void both_ways_agree_at_every_length(void)
{
    static uint8_t bytes[8192];
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)((state = state * 1664525 + 1013904223) >> 24);
    for (size_t length = 0; length < 3500; length++)
        CU_ASSERT_EQUAL(weft_crc32c(7, bytes + length % 8, length),
                        weft__crc32c_portable(7, bytes + length % 8, length));
    for (size_t length = sizeof bytes - 8; length < sizeof bytes; length++)
        CU_ASSERT_EQUAL(weft_crc32c(~0u, bytes, length), weft__crc32c_portable(~0u, bytes, length));
}

static void notices_every_flipped_bit(void)
{
    uint8_t bytes[48];
    memcpy(bytes, read_pdu, sizeof bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CU_ASSERT_NOT_EQUAL(weft_crc32c(0, bytes, sizeof bytes), 0xd9963a56);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

SUITE(bridge_crc32c, CASE(gives_the_vectors_of_rfc_3720), CASE(gives_the_check_value_of_the_catalogue),
      CASE(continues_over_any_split), CASE(both_ways_agree_at_every_length), CASE(notices_every_flipped_bit))
