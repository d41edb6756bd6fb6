/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include_next <sys/resource.h>

typedef int __rlimit_resource_t;
