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
#include "live.hh"
#include "kernel.hh"

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif

#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif
#if !defined(RSEQ_SIG) && defined(__riscv)
#define RSEQ_SIG 0xf1401073	/* before glibc had it */
#elif !defined(RSEQ_SIG) && defined(__loongarch__)
#define RSEQ_SIG 0x002a0010
#endif

unsigned int rseq_known_features_;
#ifdef __aarch64__
int rseq_known_sections_;

/* On first use, not in a constructor: others' constructors come first. */
int rseq_sections_work_(void) noexcept
{
	errno_guard keep;
	struct utsname name;
	const int works = uname(&name) != 0 ||
		!arm64_skips_restarts(name.release);

	__atomic_store_n(&rseq_known_sections_, works ? 1 : -1,
			 __ATOMIC_RELAXED);
	return works;
}
#endif

[[maybe_unused]] static void no_area(struct rseq_info *info)
{
	info->owner = RSEQ_OWNER_NONE;
	info->reason = RSEQ_OFF_NO_LIBC;
}

#if !defined(RSEQ_NO_SECTIONS_) && \
	(defined(RSEQ_LIBC_LINE_) || defined(RSEQ_LIBC_STOCK_))

static constexpr unsigned int legacy_length = 32;

/* What glibc from 2.35 on registers, whatever __rseq_size counts there. */
static unsigned int registered_length()
{
#ifdef RSEQ_LIBC_LINE_
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

/* What a registered thread can rely on. */
static unsigned int find_feature_size()
{
	const unsigned int length = __rseq_size > legacy_length ?
		__rseq_size : legacy_length;
	unsigned int size = kernel_feature_size();

	if (__rseq_size == 0)
		return 0;
	if (size == 0)
		size = 20;	/* before Linux 6.3, which began to say so */
	return size <= length ? size : 28;
}

/*
 * A thread whose area shows a cpu can still be unregistered: a vfork child
 * looks at its parent's.  The kernel tells: it refuses an area in its own half
 * with EFAULT, but a registered thread already for having one.  No address of 4
 * bytes is in that half under a kernel of 64 bits: there, it can register an
 * area of its own, which nobody else can, and does so for a moment.
 */
static bool borrowed()
{
	errno_guard keep;

	if (sizeof(void *) < 8) {
		alignas(legacy_length) char own[legacy_length] = {};

		return syscall(SYS_rseq, own, legacy_length, 0, RSEQ_SIG) == 0
			&& syscall(SYS_rseq, own, legacy_length, 1, RSEQ_SIG)
				== 0;
	}
	return syscall(SYS_rseq, ~0xffful, legacy_length, 0, RSEQ_SIG) == -1 &&
		errno == EFAULT;
}

static void why_off(struct rseq_info *info)
{
#ifdef RSEQ_LIBC_LINE_
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
#ifdef RSEQ_LIBC_STOCK_
	if (rseq_stock_offset_() == 0) {
		no_area(info);
		return;
	}
#endif
#ifdef RSEQ_LIBC_LINE_
	info->owner = RSEQ_OWNER_LINE;
	info->version = TLABI_STATUS_VERSION(rseq_self()->status);
#else
	info->owner = RSEQ_OWNER_LIBC;
#endif
	info->kernel_feature_size = kernel_feature_size();
	info->feature_size = rseq_feature_size();
	if (rseq_this_cpu().n < 0) {
		why_off(info);
	} else if (borrowed()) {
		info->reason = RSEQ_OFF_BORROWED;
	} else {
		if (!rseq_sections_work_here_())
			info->reason = RSEQ_ON_NO_SECTIONS;
		info->length = registered_length();
		info->mode = info->length > legacy_length ?
			RSEQ_MODE_OPTIMIZED : RSEQ_MODE_LEGACY;
	}
}

#else /* a libc without an area */

static unsigned int find_feature_size()
{
	return 0;
}

static void query(struct rseq_info *info)
{
	no_area(info);
}

#endif

unsigned int rseq_feature_size(void) noexcept
{
	unsigned int known = __atomic_load_n(&rseq_known_features_,
					     __ATOMIC_RELAXED);

	if (known == 0) {
		known = find_feature_size() + 1;
		__atomic_store_n(&rseq_known_features_, known,
				 __ATOMIC_RELAXED);
	}
	return known - 1;
}

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
