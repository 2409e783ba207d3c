/* SPDX-License-Identifier: MIT */
/*
 * PID 1 of a test machine: takes files and commands from the host through
 * shared memory, see channel.h.  Each command gets a session of its own, its
 * output goes to files, and nothing that it leaves behind lives on.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/if_packet.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"

static volatile struct vm_channel *channel;

/* Words at a time, aligned: a BAR may be mapped as a device's memory. */
static void copy(volatile void *to, const volatile void *from, size_t n)
{
	volatile uint64_t *t = to;
	const volatile uint64_t *f = from;

	for (n = (n + 7) / 8; n; --n)
		*t++ = *f++;
}

static volatile char *data(void)
{
	return (volatile char *)channel + VM_DATA;
}

static int put(const char *dir, const char *name, const char *text)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	const int fd = open(path, O_WRONLY);
	const int bad = write(fd, text, strlen(text)) < 0;
	close(fd);
	return bad;
}

static long number(const char *dir, const char *name)
{
	char path[512], text[32] = "";

	snprintf(path, sizeof path, "%s/%s", dir, name);
	const int fd = open(path, O_RDONLY);
	(void)!read(fd, text, sizeof text - 1);
	close(fd);
	return strtol(text, NULL, 0);
}

static void *map_channel(const char *file, off_t at)
{
	const int fd = open(file, O_RDWR);
	void *const got = mmap(NULL, VM_SIZE, PROT_READ | PROT_WRITE,
			       MAP_SHARED, fd, at);

	return got == MAP_FAILED ? NULL : got;
}

/* What page of memory this is in, if it is all of one of them. */
static int find_page(const char *block, uint32_t *found)
{
	enum { SMALL = 4096, SMALLS = VM_PAGE / SMALL };
	static uint64_t entry[SMALLS];
	const int map = open("/proc/self/pagemap", O_RDONLY);
	const ssize_t got = pread(map, entry, sizeof entry,
		(off_t)((uintptr_t)block / SMALL * sizeof *entry));
	uint64_t number = 0;

	close(map);
	if (got != sizeof entry)
		return -1;
	for (int i = 0; i < SMALLS; ++i) {
		number = entry[i] & ((1ull << 55) - 1);
		if ((int)(number % SMALLS) != i)
			return -1;
	}
	*found = (uint32_t)(number / SMALLS);
	return 0;
}

/*
 * The ring of a packet socket: blocks of memory that is contiguous, and that
 * the kernel neither moves nor, as no packet comes, uses.
 */
static void *open_memory(void)
{
	const int ring = socket(AF_PACKET, SOCK_RAW, 0);
	const struct tpacket_req blocks = {VM_PAGE, VM_PAGES, VM_PAGE, VM_PAGES};
	uint32_t pages[VM_PAGES];

	if (setsockopt(ring, SOL_PACKET, PACKET_RX_RING, &blocks, sizeof blocks))
		return NULL;
	char *const at = mmap(NULL, VM_SIZE, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_POPULATE, ring, 0);
	if (at == MAP_FAILED)
		return NULL;
	for (int i = 0; i < VM_PAGES; ++i)
		if (find_page(at + i * VM_PAGE, &pages[i]))
			return NULL;
	for (int i = 0; i < VM_PAGES; ++i)
		((struct vm_channel *)at)->pages[i] = vm_word(pages[i]);
	return at;
}

static void *open_device(void)
{
	static const char devices[] = "/sys/bus/pci/devices";
	char dir[300], path[320];
	DIR *all = opendir(devices);

	for (struct dirent *e; all && (e = readdir(all));) {
		snprintf(dir, sizeof dir, "%s/%s", devices, e->d_name);
		if (number(dir, "vendor") != 0x1af4 ||
		    number(dir, "device") != 0x1110)
			continue;
		if (put(dir, "enable", "1"))
			perror("enable");
		snprintf(path, sizeof path, "%s/resource2_wc", dir);
		void *at = map_channel(path, 0);
		if (!at) {
			snprintf(path, sizeof path, "%s/resource2", dir);
			at = map_channel(path, 0);
		}
		if (at)
			return at;
		perror(path);
	}
	return NULL;
}

static void make_parents(char *path)
{
	for (char *s = path + 1; (s = strchr(s, '/')); *s++ = '/') {
		*s = 0;
		mkdir(path, 0755);
	}
}

static int write_file(char *text, size_t size)
{
	const size_t path = strlen(text) + 1;

	make_parents(text);
	unlink(text);
	const int fd = open(text, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	for (size_t at = path; at < size;) {
		const ssize_t n = write(fd, text + at, size - at);
		if (n <= 0) {
			close(fd);
			return -1;
		}
		at += (size_t)n;
	}
	return close(fd);
}

static void child(char *text, int environment, int arguments)
{
	static char *argv[4096];

	setsid();
	dup2(open("/dev/null", O_RDONLY), 0);
	dup2(open("/run/out", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666), 1);
	dup2(open("/run/err", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666), 2);
	for (; environment; --environment, text += strlen(text) + 1)
		putenv(text);
	for (int i = 0; i < arguments && i < 4095; ++i)
		argv[i] = text, text += strlen(text) + 1;
	execvp(argv[0], argv);
	fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static uint32_t give(const char *file, uint32_t at)
{
	static char text[1 << 16] __attribute__((aligned(8)));
	const int fd = open(file, O_RDONLY);
	uint32_t size = 0;
	ssize_t n;

	while (at + size + sizeof text <= VM_ROOM &&
	       (n = read(fd, text, sizeof text)) > 0) {
		copy(data() + at + size, text, (size_t)n);
		size += (uint32_t)n;
	}
	close(fd);
	unlink(file);
	return size;
}

static int run(char *text)
{
	const int environment = (int)vm_word(channel->environment);
	const int arguments = (int)vm_word(channel->arguments);
	int status = -1, one, killed = 0;
	pid_t got;

	const pid_t pid = fork();
	if (!pid)
		child(text, environment, arguments);
	while ((got = waitpid(-1, &one, WNOHANG)) != pid) {
		if (got < 0)
			break;
		if (channel->cancel && !killed++)
			kill(-1, SIGKILL);	/* all but PID 1 */
		if (!got)
			usleep(1000);
	}
	if (got == pid)
		status = one;
	kill(-1, SIGKILL);
	while (waitpid(-1, &one, 0) > 0)
		;
	const uint32_t out = give("/run/out", 0);
	channel->out = vm_word(out);
	/* Both begin at a whole word. */
	channel->err = vm_word(give("/run/err", (out + 7) & ~7u));
	return status;
}

static void serve(void)
{
	static char text[VM_ROOM] __attribute__((aligned(8)));
	uint32_t done = 0;

	for (;;) {
		const uint32_t request = vm_word(channel->request);
		if (request == done) {
			usleep(1000);
			continue;
		}
		__sync_synchronize();
		const uint32_t size = vm_word(channel->size);
		const uint32_t what = vm_word(channel->what);
		int status = 0;
		copy(text, data(), size);
		if (what == VM_FILE)
			status = write_file(text, size);
		else if (what == VM_RUN)
			status = run(text);
		channel->status = vm_word((uint32_t)status);
		__sync_synchronize();
		channel->reply = vm_word(request);
		done = request;
		if (what == VM_OFF)
			return;
	}
}

static void mount_all(void)
{
	static const char *const all[][3] = {
		{"proc", "/proc", "proc"}, {"sys", "/sys", "sysfs"},
		{"dev", "/dev", "devtmpfs"}, {"shm", "/dev/shm", "tmpfs"},
		{"tmp", "/tmp", "tmpfs"}, {"run", "/run", "tmpfs"},
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
		mkdir(all[i][1], 0755);
		mount(all[i][0], all[i][1], all[i][2], 0, "");
	}
	chmod("/tmp", 01777);
	chmod("/dev/shm", 01777);
}

int main(void)
{
	struct utsname u;
	int fd;

	mount_all();
	fd = open("/dev/console", O_RDWR);
	for (int to = 0; to < 3; ++to)
		dup2(fd, to);
	putenv("PATH=/bin");
	putenv("HOME=/tmp");
	channel = open_device();
	if (!channel)
		channel = open_memory();
	if (channel) {
		uname(&u);
		for (size_t i = 0; i < sizeof channel->release; ++i)
			channel->release[i] = u.release[i];
		channel->feature_size = vm_word((uint32_t)getauxval(27));
		channel->feature_align = vm_word((uint32_t)getauxval(28));
		channel->cpus = vm_word((uint32_t)
					sysconf(_SC_NPROCESSORS_ONLN));
		channel->configured = vm_word((uint32_t)
					      sysconf(_SC_NPROCESSORS_CONF));
		__sync_synchronize();
		channel->ready = vm_word(VM_MAGIC);
		puts("init: ready");
		serve();
	} else {
		puts("init: neither an ivshmem device nor memory to share");
	}
	sync();
	reboot(RB_POWER_OFF);
	reboot(RB_AUTOBOOT);	/* with -no-reboot, an exit */
	for (;;)
		pause();
}
