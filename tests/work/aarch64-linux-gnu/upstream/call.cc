#include <rseq/upstream.h>
int f(intptr_t *v, intptr_t n, int cpu);
int f(intptr_t *v, intptr_t n, int cpu) { return rseq_load_cbne_store__ptr(RSEQ_MO_RELAXED, (enum rseq_percpu_mode)2, v, 0, n, cpu); }
