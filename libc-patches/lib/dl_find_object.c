/* SPDX-License-Identifier: MIT */
/*
 * libgcc_eh of a system with glibc finds unwind tables by this function of
 * glibc's. For programs that link it to musl, the same by what musl has.
 */
#define _GNU_SOURCE
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>

struct dl_find_object {
	unsigned long long flags;
	void *map_start, *map_end;
	void *link_map;
	void *eh_frame;
	unsigned long long reserved[8];
};

struct search {
	uintptr_t pc;
	struct dl_find_object *found;
};

static int look(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *search = arg;
	struct dl_find_object *found = search->found;
	int holds_pc = 0;

	(void)size;
	*found = (struct dl_find_object){ 0 };
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_GNU_EH_FRAME)
			found->eh_frame = (void *)start;
		if (segment->p_type == PT_LOAD &&
		    search->pc - start < segment->p_memsz) {
			found->map_start = (void *)start;
			found->map_end = (void *)(start + segment->p_memsz);
			holds_pc = 1;
		}
	}
	return holds_pc && found->eh_frame;
}

/*
 * The kernel's own object, which dl_iterate_phdr() leaves out of a static
 * program: a signal handler returns to it where it has the trampoline, as on
 * powerpc64le. It is linked to address 0.
 */
static int look_at_vdso(struct search *search)
{
	const ElfW(Ehdr) *vdso = (void *)getauxval(AT_SYSINFO_EHDR);

	return vdso && look(&(struct dl_phdr_info){
		.dlpi_addr = (uintptr_t)vdso,
		.dlpi_phdr = (void *)((uintptr_t)vdso + vdso->e_phoff),
		.dlpi_phnum = vdso->e_phnum,
	}, 0, search);
}

int _dl_find_object(void *pc, struct dl_find_object *found)
{
	struct search search = { (uintptr_t)pc, found };

	return dl_iterate_phdr(look, &search) || look_at_vdso(&search) ? 0 : -1;
}

/*
 * It takes a program in which pthread_key_create() is for one that has the rest
 * of what it calls, by weak references, and in a static program that need not
 * be so. It looks up unwind tables before main(), too. What these functions
 * take does not matter here.
 */
extern void pthread_getspecific(void), pthread_mutex_lock(void),
	pthread_mutex_unlock(void), pthread_once(void),
	pthread_setspecific(void);

__attribute__((__used__)) static void (*const needed[])(void) = {
	pthread_getspecific, pthread_mutex_lock, pthread_mutex_unlock,
	pthread_once, pthread_setspecific,
};
