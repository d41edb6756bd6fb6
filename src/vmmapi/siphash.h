/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4 (Aumasson and Bernstein, 2012): a MAC of 64 bits for short messages. */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t og_siphash(const uint8_t key[16], const void *buf, size_t len);
