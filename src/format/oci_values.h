/* SPDX-License-Identifier: Apache-2.0 */
/* The words that config.json may have for certain members, and the kernel's numbers for them. */
#pragma once

#include "format/oci_schema.h"

extern const struct og_schema_name og_oci_sched_policies[];
extern const struct og_schema_name og_oci_io_classes[];
extern const struct og_schema_name og_oci_namespaces[];
extern const struct og_schema_name og_oci_device_types[];
extern const struct og_schema_name og_oci_rule_types[];
extern const struct og_schema_name og_oci_personalities[];
extern const struct og_schema_name og_oci_memory_policies[];
extern const struct og_schema_name og_oci_sched_flags[];
extern const struct og_schema_name og_oci_memory_policy_flags[];
extern const struct og_schema_name og_oci_personality_flags[];
extern const struct og_schema_name og_oci_propagations[];
extern const struct og_schema_name og_oci_rlimits[];
