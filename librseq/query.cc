/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#ifdef __aarch64__
#include <sys/utsname.h>
#endif
#include <unistd.h>

#include <rseq/query.h>
#include <rseq/cpu.h>
#include "internal.hh"
#include "kernel.hh"

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif

/* Constant to everybody else. */
extern "C" {
unsigned int feature_size __asm__("rseq_feature_size");
#ifdef __aarch64__
unsigned int sections_broken __asm__("rseq_sections_broken");
#endif
}

#ifdef __aarch64__
__attribute__((__constructor__(101))) static void look_at_the_kernel()
{
	errno_guard keep;
	struct utsname name;

	if (uname(&name) == 0)
		sections_broken = arm64_skips_restarts(name.release);
}
#endif

[[maybe_unused]] static void no_area(struct rseq_info *info)
{
	info->owner = RSEQ_OWNER_NONE;
	info->reason = RSEQ_OFF_NO_LIBC;
}

#if defined(RSEQ_LIBC_LINE) || defined(RSEQ_LIBC_STOCK)

extern "C" const unsigned int __rseq_size;

static constexpr unsigned int legacy_length = 32;

/* What glibc from 2.35 on registers, whatever __rseq_size counts there. */
static unsigned int registered_length()
{
#ifdef RSEQ_LIBC_LINE
	return TLABI_STATUS_LENGTH(rseq_self()->status);
#else
	return __rseq_size > legacy_length ? __rseq_size : legacy_length;
#endif
}

static unsigned int kernel_feature_size()
{
	errno_guard keep;

	return (unsigned int)getauxval(AT_RSEQ_FEATURE_SIZE);
}

/* Once, before main: what a registered thread can rely on. */
__attribute__((__constructor__(101))) static void find_feature_size()
{
	const unsigned int length = __rseq_size > legacy_length ?
		__rseq_size : legacy_length;
	unsigned int size = kernel_feature_size();

	if (__rseq_size == 0)
		return;
	if (size == 0)
		size = 20;	/* before Linux 6.3, which began to say so */
	feature_size = size <= length ? size : 28;
}

/*
 * A thread whose area shows a cpu can still be unregistered: a vfork child
 * looks at its parent's.  The kernel tells: it refuses an area in its own half
 * with EFAULT, but a registered thread already for having one.
 */
static bool borrowed()
{
	if (sizeof(void *) < 8)
		return false;	/* no such address under a 64-bit kernel */
	errno_guard keep;
	return syscall(SYS_rseq, ~0xffful, legacy_length, 0, RSEQ_SIG) == -1 &&
		errno == EFAULT;
}

static void why_off(struct rseq_info *info)
{
#ifdef RSEQ_LIBC_LINE
	info->error = TLABI_STATUS_ERRNO(rseq_self()->status);
	if (info->error)
		info->reason = RSEQ_OFF_REFUSED;
	else
		info->reason = (int)rseq_self()->cpu_id == -2 ?
			RSEQ_OFF_DISABLED : RSEQ_OFF_UNKNOWN;
#else
	/* glibc keeps no record.  An unregistration harms nothing: ask. */
	const char *tunables = getenv("GLIBC_TUNABLES");
	errno_guard keep;

	info->reason = RSEQ_OFF_UNKNOWN;
	if (tunables && strstr(tunables, "glibc.pthread.rseq=0"))
		info->reason = RSEQ_OFF_DISABLED;
	else if (syscall(SYS_rseq, rseq_self(), legacy_length, 1, RSEQ_SIG) &&
		 errno != EINVAL) {
		info->reason = RSEQ_OFF_REFUSED;
		info->error = errno;
	}
#endif
}

static void query(struct rseq_info *info)
{
#ifdef RSEQ_LIBC_STOCK
	if (rseq_libc_offset == 0) {
		no_area(info);
		return;
	}
#endif
#ifdef RSEQ_LIBC_LINE
	info->owner = RSEQ_OWNER_LINE;
	info->version = TLABI_STATUS_VERSION(rseq_self()->status);
#else
	info->owner = RSEQ_OWNER_LIBC;
#endif
	info->kernel_feature_size = kernel_feature_size();
	info->feature_size = feature_size;
	if (rseq_current_cpu() < 0) {
		why_off(info);
	} else if (borrowed()) {
		info->reason = RSEQ_OFF_BORROWED;
	} else {
		if (rseq_sections_broken)
			info->reason = RSEQ_ON_NO_SECTIONS;
		info->length = registered_length();
		info->mode = info->length > legacy_length ?
			RSEQ_MODE_OPTIMIZED : RSEQ_MODE_LEGACY;
	}
}

#else /* a libc without an area */

static void query(struct rseq_info *info)
{
	no_area(info);
}

#endif

int rseq_query(struct rseq_info *info, size_t size)
{
	if (!info || size != sizeof *info)
		return -EINVAL;
	*info = {};
	info->offset = rseq_offset();
	info->area = rseq_self();
	query(info);
	return 0;
}

const char *rseq_strreason(enum rseq_reason reason)
{
	switch (reason) {
	case RSEQ_ON:
		return "registered";
	case RSEQ_OFF_NO_LIBC:
		return "this C library has no rseq area";
	case RSEQ_OFF_DISABLED:
		return "turned off by the environment";
	case RSEQ_OFF_REFUSED:
		return "refused by the kernel or a system call filter";
	case RSEQ_OFF_BORROWED:
		return "this is a vfork child; the area is its parent's";
	case RSEQ_OFF_UNKNOWN:
		return "not registered, and this C library does not say why";
	case RSEQ_ON_NO_SECTIONS:
		return "registered, but this kernel does not restart sections";
	}
	return "unknown reason";
}
