/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What busybox lacks for the lab's guests; the host runs it as well, so that both sides sum up the
 * same way.
 *
 *	guest-tool fill DIR FILES SEED		makes FILES files in folders below DIR
 *	guest-tool stress DIR STEPS SEED	random work on names and data below DIR, read back
 *	guest-tool sum DIR			a number for all names, kinds, modes and bytes below DIR
 *	guest-tool echo PORT			vsock: gives back what one connection sends
 *	guest-tool send PORT BYTES		vsock: connects to the host, sends, and reads as much back
 *	guest-tool steps MIB			fills memory step by step, checks it, and says each step
 *	guest-tool random			64 octets of the kernel's, in hexadecimal
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDERS	  50
#define DATA_MAX  65536
#define NAMES	  200
#define PAGE	  4096
#define STEP_MS	  100
#define FNV_BASIS 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

static uint8_t data[DATA_MAX], back[DATA_MAX];
static uint64_t state;

static void fail(const char *what)
{
	fprintf(stderr, "guest-tool: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* splitmix64 */
static uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static void make_data(size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t word = next();

		memcpy(data + i, &word, 8);
	}
}

static uint64_t hash(uint64_t sum, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum = (sum ^ ((const uint8_t *)bytes)[i]) * FNV_PRIME;
	return sum;
}

static void write_new(int dir_fd, const char *name, size_t bytes)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, data, bytes) != (ssize_t)bytes)
		fail(name);
	close(fd);
}

static int fill(const char *dir, unsigned files)
{
	int dir_fd;

	(void)mkdir(dir, 0755);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		fail(dir);
	for (unsigned i = 0; i < files; i++) {
		size_t bytes = next() % 4096;
		char name[64];

		snprintf(name, sizeof(name), "d%u", i % FOLDERS);
		if (i < FOLDERS && mkdirat(dir_fd, name, 0755) < 0)
			fail(name);
		snprintf(name, sizeof(name), "d%u/file%u", i % FOLDERS, i);
		make_data(bytes);
		write_new(dir_fd, name, bytes);
	}
	return 0;
}

static uint64_t sum_file(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	uint64_t sum = FNV_BASIS;
	ssize_t n;

	if (fd < 0)
		fail(name);
	while ((n = read(fd, back, sizeof(back))) > 0)
		sum = hash(sum, back, (size_t)n);
	if (n < 0)
		fail(name);
	close(fd);
	return sum;
}

/* The order in which a folder names its entries does not count. */
static uint64_t sum_folder(int fd, uint64_t *count)
{
	DIR *dir = fdopendir(fd);
	uint64_t total = 0;

	if (dir == NULL)
		fail("opendir");
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		const char *name = entry->d_name;
		uint64_t sum = hash(FNV_BASIS, name, strlen(name));
		char link[PAGE];
		struct stat st;
		uint64_t word;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			fail(name);
		if (S_ISDIR(st.st_mode)) {
			word = sum_folder(openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY), count);
		} else if (S_ISLNK(st.st_mode)) {
			ssize_t n = readlinkat(dirfd(dir), name, link, sizeof(link));

			word = hash(FNV_BASIS, link, n < 0 ? 0 : (size_t)n);
		} else {
			word = sum_file(dirfd(dir), name) + st.st_nlink;
		}
		sum = hash(sum, &word, sizeof(word));
		word = st.st_mode;
		total += hash(sum, &word, sizeof(word));
		++*count;
	}
	closedir(dir);
	return total;
}

static int sum(const char *path)
{
	uint64_t count = 0;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t total;

	if (fd < 0)
		fail(path);
	total = sum_folder(fd, &count);
	printf("sum=%016llx entries=%llu\n", (unsigned long long)total, (unsigned long long)count);
	return 0;
}

static void name_of(char *name, unsigned number)
{
	/* Every third one lies in a folder that another name may be, or not. */
	if (number % 3 == 0)
		snprintf(name, 64, "n%u/in%u", number % 7, number);
	else
		snprintf(name, 64, "n%u", number);
}

/* Writes at a random place and reads the same back, by the file's other ways too. */
static void write_and_check(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name,
			O_RDWR | O_CREAT | O_CLOEXEC | (next() % 8 == 0 ? O_TRUNC : 0), 0640);
	size_t bytes = 1 + next() % (DATA_MAX / 4);
	off_t at = (off_t)(next() % DATA_MAX);

	if (fd < 0)
		return;
	make_data(bytes);
	if (pwrite(fd, data, bytes, at) != (ssize_t)bytes)
		fail("write");
	if (next() % 4 == 0 && fsync(fd) < 0)
		fail("fsync");
	if (pread(fd, back, bytes, at) != (ssize_t)bytes || memcmp(data, back, bytes) != 0)
		fail("what was read is not what was written");
	if (next() % 8 == 0) {
		void *map = mmap(NULL, bytes + (size_t)(at % PAGE), PROT_READ, MAP_SHARED, fd,
				 at - at % PAGE);

		if (map != MAP_FAILED && memcmp((char *)map + at % PAGE, data, bytes) != 0)
			fail("what is mapped is not what was written");
		if (map != MAP_FAILED)
			munmap(map, bytes + (size_t)(at % PAGE));
	}
	close(fd);
}

static void step(int dir_fd)
{
	char one[64], two[64];

	name_of(one, next() % NAMES);
	name_of(two, next() % NAMES);
	switch (next() % 12) {
	case 0:
		(void)mkdirat(dir_fd, one, 0750);
		break;
	case 1:
		(void)unlinkat(dir_fd, one, 0);
		break;
	case 2:
		(void)unlinkat(dir_fd, one, AT_REMOVEDIR);
		break;
	case 3:
		(void)renameat(dir_fd, one, dir_fd, two);
		break;
	case 4:
		(void)linkat(dir_fd, one, dir_fd, two, 0);
		break;
	case 5:
		(void)symlinkat(one, dir_fd, two);
		break;
	case 6:
		(void)fchmodat(dir_fd, one, 0600 | (mode_t)(next() % 64), 0);
		break;
	default:
		write_and_check(dir_fd, one);
	}
}

static int stress(const char *dir, unsigned steps)
{
	int dir_fd;

	(void)mkdir(dir, 0755);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		fail(dir);
	for (unsigned i = 0; i < 7; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		(void)mkdirat(dir_fd, name, 0755);
	}
	for (unsigned i = 0; i < steps; i++)
		step(dir_fd);
	sync();
	return 0;
}

static int vsock(unsigned cid, unsigned port, struct sockaddr_vm *address)
{
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_vm){ .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
	if (fd < 0)
		fail("vsock");
	return fd;
}

static void write_all(int fd, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n <= 0)
			fail("send");
		bytes += n;
		len -= (size_t)n;
	}
}

static int echo(unsigned port)
{
	struct sockaddr_vm address;
	int fd = vsock(VMADDR_CID_ANY, port, &address), peer;
	uint64_t bytes = 0;
	ssize_t n;

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4) < 0)
		fail("listen");
	printf("listening\n");
	fflush(stdout);
	peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (peer < 0)
		fail("accept");
	while ((n = read(peer, back, sizeof(back))) > 0) {
		write_all(peer, back, (size_t)n);
		bytes += (uint64_t)n;
	}
	printf("echoed=%llu\n", (unsigned long long)bytes);
	return n < 0;
}

static int send_to_host(unsigned port, uint64_t bytes)
{
	struct sockaddr_vm address;
	int fd = vsock(VMADDR_CID_HOST, port, &address);
	uint64_t bad = 0, done = 0;

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail("connect");
	while (done < bytes) {
		size_t now = bytes - done < 32768 ? (size_t)(bytes - done) : 32768;

		make_data(now);
		write_all(fd, data, now);
		for (size_t got = 0; got < now;) {
			ssize_t n = read(fd, back + got, now - got);

			if (n <= 0)
				fail("receive");
			got += (size_t)n;
		}
		bad += memcmp(data, back, now) != 0;
		done += now;
	}
	printf("sent=%llu bad=%llu\n", (unsigned long long)done, (unsigned long long)bad);
	return 0;
}

/* Work that a snapshot, a fork or a pause must not break: each step looks at all that came before. */
static _Noreturn void steps(size_t mib)
{
	size_t pages = (mib << 20) / PAGE;
	uint64_t *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("memory");
	for (uint64_t number = 1;; number++) {
		struct timespec pause = { .tv_nsec = STEP_MS * 1000000L };

		for (size_t page = 0; page < pages; page++) {
			uint64_t *at = memory + page * (PAGE / 8);

			if (*at != (number == 1 ? 0 : (number - 1) * FNV_PRIME + page))
				fail("memory is not what it was");
			*at = number * FNV_PRIME + page;
		}
		printf("step=%llu\n", (unsigned long long)number);
		fflush(stdout);
		nanosleep(&pause, NULL);
	}
}

static int random_octets(void)
{
	uint8_t octets[64];

	if (getrandom(octets, sizeof(octets), 0) != sizeof(octets))
		fail("getrandom");
	printf("random=");
	for (size_t i = 0; i < sizeof(octets); i++)
		printf("%02x", octets[i]);
	printf("\n");
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	unsigned long long number = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;

	state = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
	if (strcmp(verb, "random") == 0)
		return random_octets();
	if (argc < 3)
		return 2;
	if (strcmp(verb, "fill") == 0)
		return fill(argv[2], (unsigned)number);
	if (strcmp(verb, "stress") == 0)
		return stress(argv[2], (unsigned)number);
	if (strcmp(verb, "sum") == 0)
		return sum(argv[2]);
	if (strcmp(verb, "echo") == 0)
		return echo((unsigned)atoi(argv[2]));
	if (strcmp(verb, "send") == 0)
		return send_to_host((unsigned)atoi(argv[2]), number);
	if (strcmp(verb, "steps") == 0)
		steps((size_t)atoi(argv[2]));
	return 2;
}
