#define AT_SYSINFO_EHDR 33
unsigned long getauxval(unsigned long);
