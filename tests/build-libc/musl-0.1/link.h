typedef struct { unsigned p_type; unsigned long p_vaddr, p_memsz; } phdr;
struct dl_phdr_info { unsigned long dlpi_addr; phdr *dlpi_phdr; int dlpi_phnum; };
#define ElfW(type) phdr
#define PT_LOAD 1
#define PT_GNU_EH_FRAME 2
int dl_iterate_phdr(int (*)(struct dl_phdr_info *, unsigned long, void *), void *);
