typedef unsigned long uintptr_t;
