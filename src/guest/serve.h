/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PID 1 of a guest: what is between a guest's kernel and a workload. It makes a root of the disks
 * that the hypervisor gives, does what the host asks over the guest protocol, and switches the
 * machine off at the end. It knows nothing of images, engines, or which hypervisor there is, and
 * reads no file of the image but /etc/passwd and /etc/group.
 */
#pragma once

#include "base/err.h"

/* Serves until the host says that it is over, or goes away. */
int og_guest_serve(int port_fd, struct og_err *err);

/* Tells the host that the guest cannot serve, as well as that is possible. */
void og_guest_give_up(int port_fd, const char *text);
