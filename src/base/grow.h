/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays that grow by one element at a time. */
#pragma once

#include <stddef.h>

/*
 * Makes room for one more behind @count elements of @array, a pointer, which is NULL at first. How much room
 * there is follows from the count and is kept nowhere, so that the array must have grown by this alone, one by
 * one. Returns 0, or -ENOMEM: it is as it was.
 */
#define og_grow(array, count) og_grow_bytes(&(array), (count), sizeof(*(array)))

/* @array: where the pointer is. */
int og_grow_bytes(void *array, size_t count, size_t element_bytes);
