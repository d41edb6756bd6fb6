/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that do a program's work beside its own ones, which alone hear signals. */
#pragma once

#include <pthread.h>
#include <stddef.h>

/*
 * Starts one in which every signal is blocked. @ret_thread: to be joined; NULL: nobody waits for it.
 * @stack_bytes: 0: as many as usual. Returns 0 or a negative errno (-EAGAIN: too many).
 */
int og_thread_start(pthread_t *ret_thread, size_t stack_bytes, void *(*run)(void *data),
		    void *data);
