/* SPDX-License-Identifier: Apache-2.0 */
/*
 * malloc() for onggi-runtime, which nearly always lives for a few milliseconds. musl's own, made for
 * long lives, maps pages for each size of block, faults twice on each of them, and unmaps them again:
 * a tenth of all that a `run` costs.
 *
 * Blocks are cut from regions, one behind the other. A freed block waits in the list of its size for
 * the next one to ask for that size, so that the supervisor of a VM does not grow. Only large blocks
 * are mappings of their own, and are given back.
 *
 * In front of each block stand its size and a mark made of its address and of this process's secret.
 * What was written over from below, or is freed twice, does not have it: the process ends.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEP	    16UL	 /* alignment, and between the sizes of small blocks */
#define SMALL_MAX   512UL	 /* above it, sizes are powers of two */
#define CLASSES	    (32 + 7)	 /* 16 to 512, 1 KiB to 64 KiB */
#define LARGE	    (64UL << 10) /* above it, a block is a mapping */
#define FIRST_BYTES (48UL << 10) /* what `run` needs: mapped at once, without a fault a page */
#define MORE_BYTES  (256UL << 10)

struct block {
	size_t size; /* bytes behind this */
	uintptr_t mark;
};

_Static_assert(sizeof(struct block) == STEP, "blocks are aligned like their heads");

/* The law of no globals ends where malloc() begins. */
static struct {
	uintptr_t secret;
	char *at, *end; /* what is left of the region */
	struct block *free[CLASSES];
} heap;

/* Of a block in use; a free one has the address of the next in its list instead. */
static uintptr_t mark_of(const struct block *block)
{
	return (uintptr_t)block ^ heap.secret;
}

static size_t class_of(size_t size, size_t *ret_size)
{
	size_t class;
	size_t room = SMALL_MAX;

	if (size <= SMALL_MAX) {
		class = size == 0 ? 0 : (size - 1) / STEP;
		*ret_size = (class + 1) * STEP;
		return class;
	}
	for (class = SMALL_MAX / STEP - 1; room < size; class ++)
		room *= 2;
	*ret_size = room;
	return class;
}

static void *map(size_t size, int flags)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags,
			    -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static bool add_region(void)
{
	bool first = heap.secret == 0;
	size_t size = first ? FIRST_BYTES : MORE_BYTES;
	char *memory = map(size, first ? MAP_POPULATE : 0);

	if (memory == NULL)
		return false;
	if (first) {
		const void *random = (const void *)getauxval(AT_RANDOM);

		if (random != NULL)
			memcpy(&heap.secret, random, sizeof(heap.secret));
		heap.secret |= 1; /* no mark is an address */
	}
	heap.at = memory;
	heap.end = memory + size;
	return true;
}

static void *large(size_t size)
{
	size_t whole = (size + sizeof(struct block) + 4095) & ~4095UL;
	struct block *block = whole < size || (heap.secret == 0 && !add_region()) ? NULL
										  : map(whole, 0);

	if (block == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	*block = (struct block){ .size = whole - sizeof(*block), .mark = mark_of(block) };
	return block + 1;
}

/* *@ret_fresh: it is all zero. */
static void *allocate(size_t size, bool *ret_fresh)
{
	size_t room;
	size_t class;
	struct block *block;

	*ret_fresh = true;
	if (size > LARGE)
		return large(size);
	class = class_of(size, &room);
	block = heap.free[class];
	if (block != NULL) {
		*ret_fresh = false;
		heap.free[class] = (struct block *)(block->mark ^ heap.secret);
	} else {
		if ((size_t)(heap.end - heap.at) < room + sizeof(*block) && !add_region()) {
			errno = ENOMEM;
			return NULL;
		}
		block = (struct block *)heap.at;
		heap.at += room + sizeof(*block);
	}
	*block = (struct block){ .size = room, .mark = mark_of(block) };
	return block + 1;
}

/* The head of what malloc() gave. */
static struct block *head_of(void *memory)
{
	struct block *block = (struct block *)memory - 1;

	if (block->mark != mark_of(block))
		abort();
	return block;
}

void *malloc(size_t size)
{
	bool fresh;

	return allocate(size, &fresh);
}

void *calloc(size_t count, size_t size)
{
	bool fresh;
	size_t whole;
	void *memory;

	if (__builtin_mul_overflow(count, size, &whole)) {
		errno = ENOMEM;
		return NULL;
	}
	memory = allocate(whole, &fresh);
	return memory == NULL || fresh ? memory : memset(memory, 0, whole);
}

void free(void *memory)
{
	struct block *block;
	size_t room;
	size_t class;

	if (memory == NULL)
		return;
	block = head_of(memory);
	if (block->size > LARGE) {
		int saved = errno;

		(void)munmap(block, block->size + sizeof(*block));
		errno = saved;
		return;
	}
	class = class_of(block->size, &room);
	block->mark = (uintptr_t)heap.free[class] ^ heap.secret;
	heap.free[class] = block;
}

void *realloc(void *memory, size_t size)
{
	struct block *block;
	void *moved;

	if (memory == NULL)
		return malloc(size);
	block = head_of(memory);
	if (size <= block->size)
		return memory;
	moved = malloc(size);
	if (moved == NULL)
		return NULL;
	memcpy(moved, memory, block->size);
	free(memory);
	return moved;
}
