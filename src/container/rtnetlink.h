/* SPDX-License-Identifier: Apache-2.0 */
/* The few messages of rtnetlink(7) that it takes to move an interface. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define OG_RTNL_ADDRESSES_MAX 256 /* of one interface; a busy router's has some dozens */

/* An address as the kernel lists it, ready to be added again. */
struct og_rtnl_address {
	uint8_t family, prefix_length;
	uint32_t flags, priority;
	uint8_t length; /* bytes of those below: 4 or 16; 0: none */
	uint8_t local_length, broadcast_length;
	uint8_t address[16], local[16], broadcast[16];
};

/* A socket for this process's network namespace. Returns its descriptor or a negative errno. */
int og_rtnl_open(void);

/* The number of the interface @name. Errors: -ENODEV. */
int og_rtnl_find(int fd, const char *name, int *ret_index);

/*
 * The permanent addresses of global scope of interface @index, at most OG_RTNL_ADDRESSES_MAX into
 * @addresses. Errors: -E2BIG.
 */
int og_rtnl_addresses(int fd, int index, struct og_rtnl_address *addresses, size_t *ret_count);

/* Moves interface @index to the network namespace @namespace_fd and names it @name there. */
int og_rtnl_move(int fd, int index, int namespace_fd, const char *name);

int og_rtnl_add_address(int fd, int index, const struct og_rtnl_address *address);
int og_rtnl_set_up(int fd, int index);
