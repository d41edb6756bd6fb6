/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-64/XZ (ECMA-182's polynomial, reflected): tells damage, not intent. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of @len bytes. To go on, @crc is what was returned for the bytes before; at first 0. */
uint64_t og_crc64(uint64_t crc, const void *bytes, size_t len);
