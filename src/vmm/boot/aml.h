/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes AML, the byte code in which ACPI describes devices (ACPI 6.4, chapter 20); as much of it as
 * a machine without buses needs. Running out of room is remembered and checked once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OG_AML_DEPTH_MAX 6

struct og_aml {
	uint8_t *buf; /* borrowed */
	size_t len, room;
	bool failed;
	size_t open[OG_AML_DEPTH_MAX]; /* where the lengths of open packages go */
	unsigned depth;
};

void og_aml_init(struct og_aml *aml, void *buf, size_t room);

/* Objects with content: open, add the content, close. Names have 4 characters. */
void og_aml_open_scope(struct og_aml *aml, const char *path); /* "\\_SB_" */
void og_aml_open_device(struct og_aml *aml, const char *name);
void og_aml_open_package(struct og_aml *aml, uint8_t elements);
void og_aml_close(struct og_aml *aml);

/* A method that is serialized. */
void og_aml_open_method(struct og_aml *aml, const char *name, uint8_t arguments);

/* "If (Arg0 == @value)". */
void og_aml_open_if_argument(struct og_aml *aml, uint32_t value);

/* "Notify(@name, @value)": nothing to close. */
void og_aml_notify(struct og_aml *aml, const char *name, uint32_t value);

/* "Name(@name, ...)": the value is what is added next. */
void og_aml_name(struct og_aml *aml, const char *name);
void og_aml_integer(struct og_aml *aml, uint32_t value);
void og_aml_string(struct og_aml *aml, const char *text);
void og_aml_eisa_id(struct og_aml *aml, const char *id); /* "PNP0501" */

/* Resources of a device (6.4): in a template that is opened and closed. */
void og_aml_open_resources(struct og_aml *aml);
void og_aml_ports(struct og_aml *aml, uint16_t base, uint8_t count);
void og_aml_memory(struct og_aml *aml, uint32_t base, uint32_t bytes);
void og_aml_interrupt(struct og_aml *aml, uint32_t gsi); /* an edge, active high, exclusive */
void og_aml_bus_numbers(struct og_aml *aml, uint16_t first, uint16_t last);
void og_aml_port_window(struct og_aml *aml, uint16_t base, uint16_t last);
void og_aml_memory_window(struct og_aml *aml, uint32_t base, uint32_t last);
void og_aml_close_resources(struct og_aml *aml);
