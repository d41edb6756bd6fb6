/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI tables for a firmware to place: two files and a third that says where they want to be, which
 * words point into which of them, and what is summed up (QEMU's "bios-linker-loader", as SeaBIOS and
 * OVMF read it). No I/O.
 */
#pragma once

#include "vmm/boot/acpi.h"

#define OG_LOADER_RSDP_FILE   "etc/acpi/rsdp"
#define OG_LOADER_TABLES_FILE "etc/acpi/tables"
#define OG_LOADER_FILE	      "etc/table-loader"

#define OG_LOADER_COMMAND_BYTES 128
#define OG_LOADER_COMMANDS_MAX	24
#define OG_LOADER_TABLES_BYTES	8192
#define OG_LOADER_RSDP_BYTES	36

struct og_table_loader {
	uint8_t rsdp[OG_LOADER_RSDP_BYTES];
	uint8_t tables[OG_LOADER_TABLES_BYTES];
	size_t tables_bytes;
	uint8_t commands[OG_LOADER_COMMANDS_MAX][OG_LOADER_COMMAND_BYTES];
	unsigned n_commands;
};

/* Errors: -ENOSPC. */
int og_table_loader_write(const struct og_acpi *acpi, struct og_table_loader *loader,
			  struct og_err *err);
