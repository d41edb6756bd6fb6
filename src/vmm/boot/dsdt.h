/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine's devices are, in AML: the content of the DSDT (ACPI 6.4, chapters 5 and 6). */
#pragma once

#include "vmm/boot/acpi.h"
#include "vmm/boot/aml.h"

void og_dsdt_describe(struct og_aml *aml, const struct og_acpi *acpi);
