/* SPDX-License-Identifier: Apache-2.0 */
/* Tars in memory, header by header, as odd as a test wants them. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct archive {
	uint8_t bytes[256 * 1024];
	size_t len;
};

struct archive_entry {
	const char *name;
	char type; /* default '0' */
	const char *link;
	const char *content; /* its length is the size */
	unsigned int mode, uid, gid, major, minor;
	unsigned long long mtime;
	const char *prefix; /* of a ustar name */
	const char *magic;  /* 8 bytes; default ustar */
};

static inline void archive_octal(uint8_t *at, int digits, unsigned long long number)
{
	for (int i = digits - 1; i >= 0; i--, number >>= 3)
		at[i] = (uint8_t)('0' + (number & 7));
}

static inline void archive_seal(uint8_t *block)
{
	unsigned int sum = 0;

	memset(block + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += block[i];
	archive_octal(block + 148, 6, sum);
	block[154] = '\0';
}

/* The header alone; returns it, so that a test can spoil it and seal it again. */
static inline uint8_t *archive_header(struct archive *archive, const struct archive_entry *entry)
{
	uint8_t *block = archive->bytes + archive->len;

	if (archive->len + 512 > sizeof(archive->bytes))
		abort();
	memset(block, 0, 512);
	if (entry->name != NULL)
		memcpy(block, entry->name, strnlen(entry->name, 100));
	archive_octal(block + 100, 7, entry->mode);
	archive_octal(block + 108, 7, entry->uid);
	archive_octal(block + 116, 7, entry->gid);
	archive_octal(block + 124, 11, entry->content != NULL ? strlen(entry->content) : 0);
	archive_octal(block + 136, 11, entry->mtime);
	block[156] = (uint8_t)(entry->type ? entry->type : '0');
	if (entry->link != NULL)
		memcpy(block + 157, entry->link, strnlen(entry->link, 100));
	memcpy(block + 257, entry->magic != NULL ? entry->magic : "ustar\00000", 8);
	archive_octal(block + 329, 7, entry->major);
	archive_octal(block + 337, 7, entry->minor);
	if (entry->prefix != NULL)
		memcpy(block + 345, entry->prefix, strnlen(entry->prefix, 155));
	archive_seal(block);
	archive->len += 512;
	return block;
}

static inline void archive_content(struct archive *archive, const void *content, size_t len)
{
	size_t padded = (len + 511) / 512 * 512;

	if (archive->len + padded > sizeof(archive->bytes))
		abort();
	memset(archive->bytes + archive->len, 0, padded);
	memcpy(archive->bytes + archive->len, content, len);
	archive->len += padded;
}

static inline void archive_add(struct archive *archive, const struct archive_entry *entry)
{
	(void)archive_header(archive, entry);
	if (entry->content != NULL)
		archive_content(archive, entry->content, strlen(entry->content));
}

/* A PAX header of one record; the length in front is counted here. */
static inline void archive_pax(struct archive *archive, char type, const char *key,
			       const char *value)
{
	char record[8192];
	size_t rest = strlen(key) + strlen(value) + 3, len = rest;

	for (int i = 0; i < 3; i++)
		len = rest + (size_t)snprintf(NULL, 0, "%zu", len);
	(void)snprintf(record, sizeof(record), "%zu %s=%s\n", len, key, value);
	archive_add(archive,
		    &(struct archive_entry){ .name = "pax", .type = type, .content = record });
}

static inline void archive_end(struct archive *archive)
{
	memset(archive->bytes + archive->len, 0, 1024);
	archive->len += 1024;
}
