/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <signal.h>

int og_thread_start(pthread_t *ret_thread, size_t stack_bytes, void *(*run)(void *data), void *data)
{
	pthread_t thread;
	pthread_attr_t attr;
	sigset_t all, old;
	int r;

	(void)pthread_attr_init(&attr);
	if (stack_bytes > 0)
		(void)pthread_attr_setstacksize(&attr, stack_bytes);
	if (ret_thread == NULL)
		(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* It begins with the mask of whoever starts it. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(ret_thread != NULL ? ret_thread : &thread, &attr, run, data);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
	return r;
}
