typedef struct { unsigned p_type; unsigned long p_vaddr, p_memsz; } Phdr;
typedef struct { unsigned long e_phoff; int e_phnum; } Ehdr;
struct dl_phdr_info { unsigned long dlpi_addr; Phdr *dlpi_phdr; int dlpi_phnum; };
#define ElfW(type) type
#define PT_LOAD 1
#define PT_GNU_EH_FRAME 2
int dl_iterate_phdr(int (*)(struct dl_phdr_info *, unsigned long, void *), void *);
