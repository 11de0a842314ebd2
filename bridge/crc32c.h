/* bridge/crc32c.h: the portable checksum by its own name, so that a test can hold both paths against each other. */
#ifndef WEFT_BRIDGE_CRC32C_H
#define WEFT_BRIDGE_CRC32C_H

#include "weft/wire.h"

/* As weft_crc32c, without the processor's help. */
uint32_t weft__crc32c_portable(uint32_t crc, const void *bytes, size_t length);

#endif
