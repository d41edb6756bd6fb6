/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include_next <sys/socket.h>

#ifndef AF_MCTP
#define AF_MCTP 45
#endif
