/* SPDX-License-Identifier: Apache-2.0 */
/*
 * og-syscall [thread] [int80] NUMBER [ARGUMENT ...]: makes a system call from inside of a container,
 * and says what it returned: a number, negative for an error, or "trap NUMBER" for SIGSYS.
 * thread: another thread makes it, and "alive 0" is said after. int80: as a 32-bit program does.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define STACK_BYTES (64U << 10)

struct call {
	int narrow;
	long words[7];
};

static void say(const char *word, long number)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "%s%ld\n", word, number);

	if (len > 0)
		(void)!write(STDOUT_FILENO, text, (size_t)len);
}

static void trapped(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	say("trap ", info->si_syscall);
	_exit(0);
}

static long make(const struct call *call)
{
	const long *w = call->words;
	long result;

#if defined(__x86_64__)
	if (call->narrow) {
		__asm__ volatile("int $0x80"
				 : "=a"(result)
				 : "a"(w[0]), "b"(w[1]), "c"(w[2]), "d"(w[3]), "S"(w[4]), "D"(w[5])
				 : "memory", "r8", "r9", "r10", "r11");
		return result;
	}
	{
		register long r10 __asm__("r10") = w[4];
		register long r8 __asm__("r8") = w[5];
		register long r9 __asm__("r9") = w[6];

		__asm__ volatile("syscall"
				 : "=a"(result)
				 : "a"(w[0]), "D"(w[1]), "S"(w[2]), "d"(w[3]), "r"(r10), "r"(r8),
				   "r"(r9)
				 : "memory", "rcx", "r11");
	}
	return result;
#else
	result = syscall(w[0], w[1], w[2], w[3], w[4], w[5], w[6]);
	return result;
#endif
}

static int make_in_thread(void *argument)
{
	say("", make(argument));
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = trapped, .sa_flags = SA_SIGINFO };
	struct call call = {};
	int thread = argc > 1 && strcmp(argv[1], "thread") == 0;
	int at = 1 + thread;

	(void)sigaction(SIGSYS, &action, NULL);
	if (argc > at && strcmp(argv[at], "int80") == 0) {
		call.narrow = 1;
		at++;
	}
	for (int i = 0; i < 7 && at < argc; i++, at++)
		call.words[i] = (long)strtoull(argv[at], NULL, 0);
	if (thread) {
		char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int other = 0;

		(void)signal(SIGSYS, SIG_DFL);
		if (stack == MAP_FAILED ||
		    clone(make_in_thread, stack + STACK_BYTES,
			  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
				  CLONE_SYSVSEM | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID,
			  &call, NULL, NULL, &other) < 0) {
			perror("clone");
			return 1;
		}
		(void)usleep(100000);
		say("alive ", 0);
		return 0;
	}
	say("", make(&call));
	return 0;
}
