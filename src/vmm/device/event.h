/* SPDX-License-Identifier: Apache-2.0 */
/* Event descriptors: how devices, vCPUs and the I/O thread, and KVM, wake each other. */
#pragma once

/* A new one that never blocks, the caller's to close, or -1 with errno. */
int og_event_new(void);

void og_event_signal(int fd);

/* Forgets what was signalled so far. */
void og_event_clear(int fd);
